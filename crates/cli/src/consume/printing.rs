//! A consumer whose records are printed.

use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::ProgressBar;
use klamm::{Consumer, ConsumerRecord, Records, TopicPartition};
use tokio::time::Instant;

use super::format::Shown;
use super::window::Window;
use super::{ConsumeArgs, Next, json};
use crate::failure::Failure;
use crate::output::Output;
use crate::progress;

/// Pause between commits of what was printed.
const COMMIT_INTERVAL: Duration = Duration::from_secs(5);
/// Wait for records before it is looked whether the end is reached.
const POLL: Duration = Duration::from_millis(100);
/// Limit for leaving the group.
const CLOSE: Duration = Duration::from_secs(10);

pub(super) struct Printing {
    consumer: Consumer,
    args: ConsumeArgs,
    json: bool,
    window: Window,
    left: u64,
    printed: u64,
    /// Of each partition, what comes after what was printed since the last commit.
    next_offsets: HashMap<TopicPartition, i64>,
    committed_at: Instant,
    commits: bool,
    /// For those who do not see the records.
    bar: ProgressBar,
}

/// Whether somebody looks on who does not see the records.
pub(super) fn has_bar() -> bool {
    std::io::stderr().is_terminal() && !std::io::stdout().is_terminal()
}

impl Printing {
    pub(super) fn new(
        consumer: Consumer,
        args: ConsumeArgs,
        out: &Output,
        window: Window,
        commits: bool,
    ) -> Self {
        let wanted = args.count.unwrap_or(u64::MAX).min(window.offsets);
        let bar = if has_bar() {
            progress::bar((wanted < u64::MAX).then_some(wanted), "records")
        } else {
            ProgressBar::hidden()
        };
        Self {
            left: args.count.unwrap_or(u64::MAX),
            json: out.is_json(),
            consumer,
            args,
            window,
            printed: 0,
            next_offsets: HashMap::new(),
            committed_at: Instant::now(),
            commits,
            bar,
        }
    }

    /// Reads these partitions, without a group.
    pub(super) fn assign(&mut self, partitions: Vec<TopicPartition>) -> Result<(), Failure> {
        self.consumer.assign(partitions)?;
        for (partition, offset) in &self.window.starts {
            self.consumer.seek(partition, *offset)?;
        }
        Ok(())
    }

    pub(super) fn printed(&self) -> u64 {
        self.printed
    }

    pub(super) async fn run(&mut self) -> Result<(), Failure> {
        while self.left > 0 && !self.window.is_over(&mut self.consumer).await? {
            let records = self.consumer.poll_timeout(POLL).await?;
            self.print(&records)?;
            self.bar.set_position(self.printed);
            if self.committed_at.elapsed() >= COMMIT_INTERVAL {
                self.commit().await?;
            }
        }
        Ok(())
    }

    fn print(&mut self, records: &Records) -> Result<(), Failure> {
        let (mut out, mut count) = (Vec::new(), 0);
        // Records come partition by partition: a line here for each of those.
        let mut nexts: Vec<Next> = Vec::new();
        for record in records {
            if count == self.left {
                break;
            }
            let same = |(last, _): &Next| {
                last.partition == record.partition && *last.topic == *record.topic
            };
            if !nexts.last().is_some_and(same) {
                let partition = TopicPartition::new(record.topic, record.partition);
                nexts.push((partition, record.offset));
            }
            let Some((partition, after)) = nexts.last_mut() else {
                continue;
            };
            if !self.window.contains(partition, record.offset) {
                continue;
            }
            *after = record.offset + 1;
            self.write(&mut out, &record);
            count += 1;
        }
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(&out).and_then(|()| stdout.flush());
        // What could not be written is not committed either.
        written.map_err(|error| Failure::output(&error))?;
        self.next_offsets.extend(nexts);
        self.left -= count;
        self.printed += count;
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>, record: &ConsumerRecord<'_>) {
        if self.json {
            json::write(out, record);
            return;
        }
        let headers = || {
            let headers = record.headers.iter();
            headers.map(|header| (header.key, header.value))
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
        self.args.format.write(out, &shown);
    }

    async fn commit(&mut self) -> Result<(), Failure> {
        self.committed_at = Instant::now();
        if self.commits && !self.next_offsets.is_empty() {
            let offsets = std::mem::take(&mut self.next_offsets);
            self.consumer.commit_offsets(offsets).await?;
        }
        Ok(())
    }

    pub(super) async fn close(mut self) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        let committed = self.commit().await;
        self.consumer.close(CLOSE).await?;
        committed
    }
}
