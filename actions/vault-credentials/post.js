// SPDX-License-Identifier: Apache-2.0
'use strict';

// Revokes what main.js has left alive, however the job ended: `sealgate broker end`.

const { flag, run, step, tell } = require('./runner.js');

step(async () => {
  const { STATE_program: program, STATE_folder: folder } = process.env;
  if (!folder) {
    return; // main.js did not get as far as opening anything
  }
  const code = await run(program, ['broker', 'end', `--state=${folder}`]);
  if (code) {
    const strict = flag('strict-end');
    const message = 'Not all credentials of this job could be revoked; the log above says what lives on, and until when.';
    tell(strict ? 'error' : 'warning', message);
    process.exitCode = strict ? 1 : 0;
  }
});
