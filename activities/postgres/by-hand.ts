/** What a person does where the worker has no suitable pg_dump. */
export function backupByHand(database: string, label: string, place: string, major: number): string {
  return (
    `On a machine with the PostgreSQL client programs of version ${major} or newer, back up database ${database} ` +
    `with \`pg_dump --format=custom --file=backup.dump\` and its connection string, and upload the file to ${place} ` +
    `under a name that contains "${label}". Report "backup" (where the file is), "bytes" (its size), "sha256" (of the ` +
    'file, in hex), "at" (when you started it, ISO 8601 in UTC), and what the database held then: "tables" and "rows" ' +
    '(how many) and "digest" (the SHA-256 of the file once more).'
  );
}

/** What a person does where the worker has no suitable pg_restore. */
export function restoreByHand(name: string, scratch: string, place: string, major: number): string {
  return (
    `On a machine with the PostgreSQL client programs of version ${major} or newer, download ${place}, check that its ` +
    `SHA-256 is the one in the manifest beside it, create the empty database ${name}__${scratch} on the same server ` +
    `as ${name}, with the same owner and encoding, and run \`pg_restore --exit-on-error\` into it. Report "scratch" ` +
    `("${scratch}"), and from the manifest "at", "tables", "rows" and "digest", after you have compared the row counts.`
  );
}
