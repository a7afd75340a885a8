//! Standard input, record by record.

use tokio::io::{AsyncBufReadExt as _, BufReader, Stdin};

use crate::failure::Failure;

/// Bytes read from standard input at a time.
const INPUT_BUFFER: usize = 1 << 20;

/// Standard input, cut at a delimiter.
pub(super) struct Input<'a> {
    stdin: BufReader<Stdin>,
    delimiter: &'a [u8],
    record: Vec<u8>,
    read: u64,
}

impl<'a> Input<'a> {
    /// `delimiter` has at least one byte.
    pub(super) fn new(delimiter: &'a [u8]) -> Self {
        Self {
            stdin: BufReader::with_capacity(INPUT_BUFFER, tokio::io::stdin()),
            delimiter,
            record: Vec::new(),
            read: 0,
        }
    }

    /// How many records there were.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// The next record without its delimiter; none at the end. What comes after the last delimiter is
    /// one, too, unless it is empty.
    pub(super) async fn next(&mut self) -> Result<Option<&[u8]>, Failure> {
        self.record.clear();
        let last = *self.delimiter.last().unwrap_or(&b'\n');
        loop {
            let read = self.stdin.read_until(last, &mut self.record).await;
            let read = read
                .map_err(|error| Failure::Failed(format!("cannot read standard input: {error}")))?;
            if read == 0 && self.record.is_empty() {
                return Ok(None);
            }
            let cut = self.record.ends_with(self.delimiter);
            if cut {
                self.record
                    .truncate(self.record.len() - self.delimiter.len());
            }
            if cut || read == 0 {
                self.read += 1;
                return Ok(Some(&self.record));
            }
        }
    }
}
