//! What the clients have to do.

/// One thing that every client does in turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    pub(crate) kind: Kind,
    /// Bytes of a value.
    pub(crate) size: u64,
    pub(crate) compression: &'static str,
    pub(crate) partitions: i32,
}

/// Producers wait for all replicas and are idempotent; consumers read all partitions from the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Linger 5 ms; the clock ends with the last acknowledgement.
    Produce { batch_size: u64, tasks: u64 },
    /// The records are in the first `busy` partitions; klamm wrote them, batch.size 131072.
    Consume { busy: i32 },
    /// Linger 0, for [`LATENCY_SECONDS`].
    Latency { rate: u64 },
    /// As `Latency`, to the poll that hands the record out in the same process.
    EndToEnd { rate: u64 },
    /// Consuming at the end of all partitions: [`IDLE_SECONDS`] without a record, then as long with `rate` records a second in
    /// the first `busy` partitions, which another process writes.
    Idle { busy: i32, rate: u64 },
}

/// How long latencies are measured.
pub(crate) const LATENCY_SECONDS: u64 = 5;

/// How long each phase of an idle consumer is.
pub(crate) const IDLE_SECONDS: u64 = 10;

const PRODUCE: Workload = Workload {
    name: "produce",
    title: "produce, batch.size 131072",
    kind: Kind::Produce {
        batch_size: 131_072,
        tasks: 1,
    },
    size: 100,
    compression: "none",
    partitions: 6,
};

const CONSUME: Workload = Workload {
    name: "consume",
    title: "consume",
    kind: Kind::Consume { busy: 6 },
    ..PRODUCE
};

/// All of them.
pub(crate) const ALL: &[Workload] = &[
    PRODUCE,
    Workload {
        name: "produce-16k",
        title: "produce, batch.size 16384",
        kind: Kind::Produce {
            batch_size: 16_384,
            tasks: 1,
        },
        ..PRODUCE
    },
    Workload {
        name: "produce-lz4",
        title: "produce, lz4",
        compression: "lz4",
        ..PRODUCE
    },
    Workload {
        name: "produce-1k",
        title: "produce, records of 1 KiB",
        size: 1024,
        ..PRODUCE
    },
    Workload {
        name: "produce-1000p",
        title: "produce, 1000 partitions",
        partitions: 1000,
        ..PRODUCE
    },
    Workload {
        name: "produce-16t",
        title: "produce, 16 tasks with one producer",
        kind: Kind::Produce {
            batch_size: 131_072,
            tasks: 16,
        },
        ..PRODUCE
    },
    CONSUME,
    Workload {
        name: "consume-lz4",
        title: "consume, lz4",
        compression: "lz4",
        ..CONSUME
    },
    Workload {
        name: "consume-zstd",
        title: "consume, zstd",
        compression: "zstd",
        ..CONSUME
    },
    Workload {
        name: "consume-1k",
        title: "consume, records of 1 KiB",
        size: 1024,
        ..CONSUME
    },
    Workload {
        name: "consume-1000p",
        title: "consume, 1000 partitions of which 10 are busy",
        kind: Kind::Consume { busy: 10 },
        partitions: 1000,
        ..CONSUME
    },
    Workload {
        name: "latency-1000",
        title: "send to acknowledgement, 1,000 records/s",
        kind: Kind::Latency { rate: 1000 },
        ..PRODUCE
    },
    Workload {
        name: "latency-10000",
        title: "send to acknowledgement, 10,000 records/s",
        kind: Kind::Latency { rate: 10_000 },
        ..PRODUCE
    },
    Workload {
        name: "end-to-end-1000",
        title: "send to poll, 1,000 records/s",
        kind: Kind::EndToEnd { rate: 1000 },
        ..PRODUCE
    },
    Workload {
        name: "idle-1000p",
        title: "wait at the end of 1000 partitions, of which 10 then get 200 records/s",
        kind: Kind::Idle {
            busy: 10,
            rate: 200,
        },
        partitions: 1000,
        ..PRODUCE
    },
];

impl Workload {
    /// How many records, where `small` of 100 bytes are wanted: the same bytes.
    pub(crate) fn records(&self, small: u64) -> u64 {
        match self.kind {
            Kind::Latency { rate } | Kind::EndToEnd { rate } => rate * LATENCY_SECONDS,
            // One to each busy partition goes ahead, and one more ends the client.
            Kind::Idle { busy, rate } => busy as u64 + rate * IDLE_SECONDS + 1,
            _ => small * 100 / self.size,
        }
    }
}
