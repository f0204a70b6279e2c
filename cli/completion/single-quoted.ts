/** For bash, zsh and every POSIX shell: nothing inside is read by the shell. */
export const singleQuoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
