/**
 * A signal to npm ends the shell between npm and this process, which passes nothing on. So the end of
 * the shell counts as the signal. Loaded by `run.mjs` before the file that it runs.
 */
const SHELL_POLL_MS = 200;

const shell = process.ppid;
const watch = setInterval(() => {
  if (process.ppid === shell) return;
  clearInterval(watch);
  process.kill(process.pid, 'SIGTERM');
}, SHELL_POLL_MS);
watch.unref();
