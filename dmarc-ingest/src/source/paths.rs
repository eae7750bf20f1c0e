//! Files and folders as a [`MessageSource`].

use std::path::PathBuf;

use dmarc_core::Limits;

use super::{Batch, Content, Message, MessageSource, Messages, Place, SourceError};

/// Everything under a list of paths, see [`Messages`]. The files are never touched: to acknowledge them is nothing.
#[derive(Debug)]
pub struct Paths {
    messages: Messages,
    message_bytes: u64,
    batch: BatchSize,
}

/// How much a source gives at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSize {
    /// Messages.
    pub messages: usize,
    /// Bytes of messages; one message may have more.
    pub bytes: u64,
}

impl Default for BatchSize {
    /// 500 messages, 8 MiB.
    fn default() -> Self {
        Self { messages: 500, bytes: 8 << 20 }
    }
}

impl Paths {
    /// Everything under `paths`, in their order.
    #[must_use]
    pub fn new(paths: &[PathBuf], limits: &Limits, batch: BatchSize) -> Self {
        Self { messages: Messages::new(paths, limits), message_bytes: limits.message_bytes, batch }
    }
}

impl MessageSource for Paths {
    fn next_batch(&mut self) -> Result<Batch, SourceError> {
        let mut batch = Batch::default();
        let mut bytes = 0;
        while batch.messages.len() < self.batch.messages && bytes < self.batch.bytes {
            match self.messages.next() {
                Some(Ok(input)) => {
                    let content = if input.size > self.message_bytes {
                        // The beginning of a message is none: it would be known by a content that it does not have.
                        Content::TooLarge { bytes: input.size }
                    } else {
                        bytes += input.size;
                        Content::Bytes(input.bytes)
                    };
                    batch.messages.push(Message {
                        source: input.source,
                        place: None,
                        received: None,
                        content,
                    });
                }
                Some(Err(error)) => batch.unreadable.push(error),
                None => {
                    batch.is_last = true;
                    break;
                }
            }
        }
        Ok(batch)
    }

    fn acknowledge(&mut self, _places: &[Place]) -> Result<(), SourceError> {
        Ok(())
    }
}
