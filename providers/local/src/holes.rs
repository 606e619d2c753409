//! Files with holes: parts that were never written, read as zeros and take no room.

use std::fs::Metadata;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;

/// What is left out at once: the smallest hole that usual file systems know.
const BLOCK: u64 = 4096;

/// Whether a file takes less room than it has bytes.
pub(crate) fn has(metadata: &Metadata) -> bool {
    metadata.blocks().saturating_mul(512) < metadata.len()
}

/// Writes into an empty file, and leaves holes where there are only zeros.
pub(crate) struct Holes<'f> {
    file: &'f mut fs_err::File,
    length: u64,
}

impl<'f> Holes<'f> {
    /// Begins with an empty file.
    pub(crate) fn in_file(file: &'f mut fs_err::File) -> Self {
        Holes { file, length: 0 }
    }

    /// A hole at the end is a part of the file, too.
    pub(crate) fn end(self) -> io::Result<()> {
        self.file.set_len(self.length)
    }
}

impl Write for Holes<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = usize::try_from(BLOCK - self.length % BLOCK).unwrap_or(usize::MAX);
        let part = bytes.get(..room).unwrap_or(bytes);
        let length = part.len() as u64;
        if part.iter().all(|byte| *byte == 0) {
            self.file.seek(SeekFrom::Current(i64::try_from(length).map_err(io::Error::other)?))?;
        } else {
            self.file.write_all(part)?;
        }
        self.length += length;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
