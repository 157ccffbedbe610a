// SPDX-License-Identifier: Apache-2.0
'use strict';

// Opens a session at Vault or OpenBao and hands its secrets to later steps: `sealgate broker env`.

const { spawnSync } = require('node:child_process');
const { randomBytes } = require('node:crypto');
const { accessSync, constants } = require('node:fs');
const path = require('node:path');
const { flag, input, lines, run, saveState, step } = require('./runner.js');

const OPTIONS = {
  to: 'to', address: 'vault-addr', namespace: 'vault-namespace', 'auth-namespace': 'auth-namespace', ca: 'vault-ca',
  auth: 'auth', mount: 'mount', role: 'role', audience: 'audience', issuer: 'issuer', 'issuer-ca': 'issuer-ca',
  policy: 'policy', config: 'config', ttl: 'ttl',
};
const LISTS = { secrets: 'secret', files: 'file', sets: 'set' };

/** The options of `sealgate broker env`, each in one argument: no value is ever taken for an option. */
function options() {
  const single = Object.entries(OPTIONS).map(([name, option]) => [option, input(name)]).filter(([, value]) => value);
  const listed = Object.entries(LISTS).flatMap(([name, option]) => lines(name).map((line) => [option, line]));
  return [...single, ...listed].map(([option, value]) => `--${option}=${value}`);
}

/** A folder that is not there yet and whose name nobody knows, in memory where the system has such a place. */
function stateFolder() {
  let parent = '/dev/shm';
  try {
    accessSync(parent, constants.W_OK | constants.X_OK);
  } catch {
    parent = process.env.RUNNER_TEMP;
  }
  return path.join(parent, `sealgate-state-${randomBytes(16).toString('hex')}`);
}

/** The path of `sealgate`, installed where the input names none. What is installed sees nothing of the job's identity. */
function install() {
  const kept = Object.entries(process.env).filter(([name]) => !/^(ACTIONS|VAULT|BAO|PYTHON)/.test(name));
  const { status, stdout } = spawnSync('bash', [path.join(__dirname, '..', 'install.sh'), 'broker'], {
    // The compiled kernel is of use to scans alone.
    env: { ...Object.fromEntries(kept), INPUT_SEALGATE: input('sealgate'), SEALGATE_KERNEL: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (status === 2) {
    throw new Error('Sealgate needs Python 3.11 or newer: set it up in a step before this one.');
  }
  if (status !== 0) {
    throw new Error('Sealgate could not be installed; the log above says why.');
  }
  return stdout.trim();
}

step(async () => {
  if (process.platform === 'win32') {
    throw new Error('The broker runs on Linux and macOS.');
  }
  flag('strict-end'); // a mistake in it is told now, not when the job is over
  const program = install();
  const folder = stateFolder();
  // Before anything is opened: whatever happens to this step, post.js finds what it has to end.
  saveState('program', program);
  saveState('folder', folder);
  const code = await run(program, ['broker', 'env', '--format=github', `--state=${folder}`, ...options()]);
  if (code) {
    throw new Error(`The secrets could not be had (exit code ${code}); the log above says why.`);
  }
});
