//! Where decompressed bytes go.

/// The end of a vector, over memory that may hold bytes of before: zeroing it first would cost a tenth of lz4's time.
pub(super) struct Output<'a> {
    buffer: &'a mut Vec<u8>,
    /// What counts; behind it is room that was written to before.
    length: usize,
}

impl<'a> Output<'a> {
    /// Behind the first `length` bytes of `buffer`.
    pub(super) fn behind(length: usize, buffer: &'a mut Vec<u8>) -> Self {
        Self { buffer, length }
    }

    pub(super) const fn len(&self) -> usize {
        self.length
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// Makes sure of room for `bytes` more at once.
    pub(super) fn reserve(&mut self, bytes: usize) {
        let wanted = self.length.saturating_add(bytes);
        if wanted > self.buffer.capacity() {
            self.buffer.truncate(self.length);
            self.buffer.reserve_exact(bytes);
        }
    }

    /// What is there, and room for `bytes` more, with whatever is in it. [`advance`](Self::advance) says how many count.
    pub(super) fn room(&mut self, bytes: usize) -> (&[u8], &mut [u8]) {
        let end = self.length + bytes;
        if end > self.buffer.len() {
            self.buffer.resize(end, 0);
        }
        let (before, room) = self.buffer.split_at_mut(self.length);
        (before, &mut room[..bytes])
    }

    /// The first `bytes` of the room count.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.length += bytes;
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).1.copy_from_slice(bytes);
        self.advance(bytes.len());
    }

    /// For those who append to a vector.
    pub(super) fn append<E>(
        &mut self,
        append: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.buffer.truncate(self.length);
        let result = append(self.buffer);
        self.length = self.buffer.len();
        result
    }
}
