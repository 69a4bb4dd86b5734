//! The count of a worker's slots: which are taken, and which are promised to a call that is
//! under way. A slot is never promised twice, so a worker is never given more than it can run.

/// The slots of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slots {
    total: u32,
    taken: u32,
    promised: u32,
}

impl Slots {
    /// All free.
    pub(crate) fn new(total: u32) -> Self {
        Self { total, taken: 0, promised: 0 }
    }

    /// Promises every slot that is free and not promised yet to one call.
    pub(crate) fn promise(&mut self) -> u32 {
        let free = self.total.saturating_sub(self.taken + self.promised);
        self.promised += free;
        free
    }

    /// The call that had these slots has been answered.
    pub(crate) fn answered(&mut self, promised: u32) {
        self.promised = self.promised.saturating_sub(promised);
    }

    /// An attempt starts. More than `total` may run: what was handed out is not sent back.
    pub(crate) fn take(&mut self) {
        self.taken += 1;
    }

    /// An attempt has ended.
    pub(crate) fn free(&mut self) {
        self.taken = self.taken.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_slot_is_promised_twice() {
        let mut slots = Slots::new(4);
        assert_eq!(slots.promise(), 4, "a claim");
        assert_eq!(slots.promise(), 0, "nothing is left for another");
        slots.answered(4);
        slots.take();
        slots.take();
        assert_eq!(slots.promise(), 2, "the next claim");
        slots.free();
        assert_eq!(slots.promise(), 1, "a result offers the slot that it frees");
        slots.answered(1);
        slots.take();
        slots.answered(2);
        for _ in 0..4 {
            slots.take();
        }
        assert_eq!(slots.promise(), 0, "too much work is no reason to count below nothing");
    }
}
