import { askThenPostAs } from '../ask-then-post.js';

export const askThenPost = askThenPostAs('new code', { looksFirst: true });
