import { z } from 'zod';

export const project = z
  .string()
  .regex(/^[a-z]{20}$/, 'is not a project ref: the 20 letters in the URL of its dashboard');

export const instant = z.iso.datetime({ offset: true });
