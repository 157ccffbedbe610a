// SPDX-License-Identifier: Apache-2.0
'use strict';

// What main.js and post.js share: the runner's inputs, state and log, and running `sealgate`.
//
// All that is secret stays in `sealgate broker`: it asks for the identity token, prints the masks and writes the
// runner's files. Nothing of it comes through here.

const { spawn } = require('node:child_process');
const { randomBytes } = require('node:crypto');
const { appendFileSync } = require('node:fs');

/** The value of an input, without white space around it. */
function input(name) {
  return (process.env[`INPUT_${name.replace(/ /g, '_').toUpperCase()}`] ?? '').trim();
}

/** The lines of an input that are not empty. */
function lines(name) {
  return input(name).split(/\r?\n/).map((line) => line.trim()).filter(Boolean);
}

/** Whether an input is `true`; anything but that and `false` is an error. */
function flag(name) {
  const value = input(name);
  if (value !== 'true' && value !== 'false') {
    throw new Error(`The input ${name} is neither true nor false.`);
  }
  return value === 'true';
}

/** Keep a value for post.js, which gets it as `STATE_<name>`. */
function saveState(name, value) {
  const delimiter = `sealgate_${randomBytes(16).toString('hex')}`;
  appendFileSync(process.env.GITHUB_STATE, `${name}<<${delimiter}\n${value}\n${delimiter}\n`);
}

/** Write a workflow command: `error`, `warning` or `notice`. */
function tell(command, message) {
  const escaped = message.replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A');
  process.stdout.write(`::${command} title=Sealgate::${escaped}\n`);
}

/**
 * Run a program to its end and return its exit code. It writes to the log directly, so that no mask is late. A cancelled
 * job's signals go on to it: it has something to revoke.
 */
function run(program, args) {
  const env = { ...process.env };
  // Another step's variables must not choose what Python runs here, nor which session is ended.
  for (const name of ['PYTHONPATH', 'PYTHONHOME', 'PYTHONSTARTUP', 'SEALGATE_STATE', 'SEALGATE_ACCESSOR']) {
    delete env[name];
  }
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'inherit', 'inherit'] });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(signal, () => child.kill(signal));
    }
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/** Run the action's part; whatever goes wrong fails the step with a message. */
async function step(part) {
  try {
    await part();
  } catch (error) {
    tell('error', error.message);
    process.exitCode = 1;
  }
}

module.exports = { flag, input, lines, run, saveState, step, tell };
