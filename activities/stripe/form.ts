/** A parameter of Stripe's API; undefined leaves it out. */
export type FormValue = string | number | boolean | readonly string[] | Readonly<Record<string, string>>;

/**
 * Stripe's form encoding: `enabled_events[0]=charge.failed`, `metadata[name]=value`.
 * https://docs.stripe.com/api/about
 */
export function form(parameters: Readonly<Record<string, FormValue>>): URLSearchParams {
  const encoded = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (typeof value !== 'object') encoded.append(name, String(value));
    else for (const [key, item] of Object.entries(value)) encoded.append(`${name}[${key}]`, String(item));
  }
  return encoded;
}
