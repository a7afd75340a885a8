//! `klamm consume`.

use std::collections::HashMap;
use std::io::Write as _;
use std::time::Duration;

use klamm::config::Role;
use klamm::{Consumer, OffsetReset, Records, TopicPartition};
use tokio::time::Instant;

use crate::args::{ClusterArgs, ConsumeArgs};
use crate::failure::{Failure, note};
use crate::format::{Format, Shown};
use crate::session::Session;

/// Pause between commits of what was printed.
const COMMIT_INTERVAL: Duration = Duration::from_secs(5);
/// Wait for records before it is looked whether the end is reached.
const POLL: Duration = Duration::from_millis(100);
/// Limit for leaving the group.
const CLOSE: Duration = Duration::from_secs(10);

pub(crate) async fn run(cluster: ClusterArgs, args: ConsumeArgs) -> Result<(), Failure> {
    let session = Session::open(cluster, Role::Consumer, args.properties()).await?;
    let partitions = session.partitions(&args.topic).await?;
    // Before reading starts, so that it ends however fast others write.
    let ends = if args.exit {
        Some(end_offsets(&session, &partitions).await?)
    } else {
        None
    };
    let consumer = open(&session, &args.topic, partitions).await?;
    let mut printing = Printing {
        consumer,
        format: args.format,
        left: args.count.unwrap_or(u64::MAX),
        printed: 0,
        next_offsets: HashMap::new(),
        committed_at: Instant::now(),
        commits: session.group().is_some(),
    };
    let ended = tokio::select! {
        ended = printing.run(ends) => Some(ended),
        _ = tokio::signal::ctrl_c() => None,
    };
    let closed = printing.close().await;
    match ended {
        Some(ended) => ended.and(closed),
        // Without an end of its own, Ctrl-C is how it ends.
        None if args.count.is_none() && !args.exit => closed,
        None => {
            closed?;
            Err(Failure::Interrupted)
        }
    }
}

async fn open(
    session: &Session,
    topic: &str,
    partitions: Vec<TopicPartition>,
) -> Result<Consumer, Failure> {
    let builder = session
        .consumer()?
        // What was handed out need not have been printed.
        .auto_commit(false)
        .allow_auto_create_topics(false);
    if session.group().is_some() {
        return Ok(builder.topics([topic]).build().await?);
    }
    let mut consumer = builder.build().await?;
    consumer.assign(partitions)?;
    Ok(consumer)
}

/// Where each partition ends now.
async fn end_offsets(
    session: &Session,
    partitions: &[TopicPartition],
) -> Result<HashMap<TopicPartition, i64>, Failure> {
    let latest = session.client.consumer().offset_reset(OffsetReset::Latest);
    let mut consumer = latest.build().await?;
    consumer.assign(partitions.iter().cloned())?;
    let mut ends = HashMap::new();
    for partition in partitions {
        ends.insert(partition.clone(), consumer.position(partition).await?);
    }
    consumer.close(CLOSE).await?;
    Ok(ends)
}

/// A consumer whose records are printed.
struct Printing {
    consumer: Consumer,
    format: Format,
    left: u64,
    printed: u64,
    /// Of each partition, what comes after what was printed since the last commit.
    next_offsets: HashMap<TopicPartition, i64>,
    committed_at: Instant,
    commits: bool,
}

impl Printing {
    async fn run(&mut self, ends: Option<HashMap<TopicPartition, i64>>) -> Result<(), Failure> {
        while self.left > 0 {
            if let Some(ends) = &ends
                && self.is_at(ends).await?
            {
                return Ok(());
            }
            let records = self.consumer.poll_timeout(POLL).await?;
            self.print(&records)?;
            if self.committed_at.elapsed() >= COMMIT_INTERVAL {
                self.commit().await?;
            }
        }
        Ok(())
    }

    /// Whether every partition that this consumer reads is at its end; not before it reads any.
    async fn is_at(&mut self, ends: &HashMap<TopicPartition, i64>) -> Result<bool, Failure> {
        let assignment = self.consumer.assignment();
        for partition in &assignment {
            let end = ends.get(partition).copied().unwrap_or(0);
            if self.consumer.position(partition).await? < end {
                return Ok(false);
            }
        }
        Ok(!assignment.is_empty())
    }

    fn print(&mut self, records: &Records) -> Result<(), Failure> {
        let mut out = Vec::new();
        let mut printed = 0;
        for record in records
            .iter()
            .take(usize::try_from(self.left).unwrap_or(usize::MAX))
        {
            let headers = || {
                record
                    .headers
                    .iter()
                    .map(|header| (header.key, header.value))
            };
            let shown = Shown {
                topic: record.topic,
                partition: record.partition,
                offset: record.offset,
                timestamp: record.timestamp,
                key: record.key,
                value: record.value,
                headers,
            };
            self.format.write(&mut out, &shown);
            printed += 1;
            let partition = TopicPartition::new(record.topic, record.partition);
            self.next_offsets.insert(partition, record.offset + 1);
        }
        let mut stdout = std::io::stdout().lock();
        stdout
            .write_all(&out)
            .and_then(|()| stdout.flush())
            .map_err(|error| Failure::output(&error))?;
        self.left -= printed;
        self.printed += printed;
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), Failure> {
        self.committed_at = Instant::now();
        if self.commits && !self.next_offsets.is_empty() {
            let offsets = std::mem::take(&mut self.next_offsets);
            self.consumer.commit_offsets(offsets).await?;
        }
        Ok(())
    }

    async fn close(mut self) -> Result<(), Failure> {
        let committed = self.commit().await;
        note(format_args!("{} records", self.printed));
        self.consumer.close(CLOSE).await?;
        committed
    }
}
