//! The reading end of a process's output: read until it ends, or until the process has ended and
//! nothing more is waiting.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::sync::watch;

use crate::log::LinePump;

const CHUNK_BYTES: usize = 32 << 10;

/// The most that is still read after the process has ended: more than any pipe holds, and a limit
/// for a daemon that never stops writing.
const DRAIN_BYTES_MAX: usize = 2 << 20;

/// A pipe: the end that is read without blocking, and the end for the process.
pub(super) fn pipe() -> io::Result<(pipe::Receiver, io::PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    Ok((pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?, writer))
}

/// The news that the process has ended.
#[derive(Debug)]
pub(super) struct Ended(watch::Sender<bool>);

impl Ended {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(super) fn set(&self) {
        self.0.send_replace(true);
    }

    async fn wait(&self) {
        // It fails only when the sender is gone, and the sender is `self`.
        drop(self.0.subscribe().wait_for(|ended| *ended).await);
    }
}

/// Reads one stream.
pub(super) struct Reader {
    pipe: pipe::Receiver,
    pump: LinePump,
}

impl Reader {
    pub(super) fn new(pipe: pipe::Receiver, pump: LinePump) -> Self {
        Self { pipe, pump }
    }

    /// Reads to the end and gives the pump back.
    pub(super) async fn run(mut self, ended: &Ended) -> LinePump {
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut at_end = false;
        loop {
            tokio::select! {
                biased;
                ready = self.pipe.readable() => {
                    if ready.is_err() {
                        break;
                    }
                    match self.pipe.try_read(&mut buffer) {
                        Ok(0) => {
                            at_end = true;
                            break;
                        }
                        Ok(size) => {
                            self.pump.push(&buffer[..size]).await;
                            // A pipe that is always full never makes us wait, and waiting for the
                            // process, its timeout and its kill share this task: let them look.
                            tokio::task::yield_now().await;
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) => break,
                    }
                    if *ended.0.borrow() {
                        at_end = self.drain(&mut buffer).await;
                        break;
                    }
                }
                () = ended.wait() => {
                    at_end = self.drain(&mut buffer).await;
                    break;
                }
            }
        }
        self.pump.finish().await;
        if !at_end {
            hand_over(self.pipe);
        }
        self.pump
    }

    /// Reads what is still in the pipe; whether that was the end of it.
    async fn drain(&mut self, buffer: &mut [u8]) -> bool {
        let mut drained = 0;
        while drained < DRAIN_BYTES_MAX {
            match self.pipe.try_read(buffer) {
                Ok(0) => return true,
                Ok(size) => {
                    drained += size;
                    self.pump.push(&buffer[..size]).await;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        false
    }
}

/// Something that the task left behind holds the pipe. It gets another reader, which ends with it
/// and outlives the worker: a service must not die of a broken pipe because its task has ended.
fn hand_over(pipe: pipe::Receiver) {
    let Ok(pipe) = pipe.into_blocking_fd() else { return };
    let reader = Command::new("cat")
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(pipe))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    if let Err(error) = reader {
        tracing::warn!(%error, "no `cat` to read the output of what a task left behind");
    }
}
