import { Option } from 'commander';

/** The one flag for how a command answers; `skein --help` promises it everywhere. */
export const outputOption = (): Option =>
  new Option('-o, --output <form>', 'how to answer').choices(['table', 'json']).default('table');
