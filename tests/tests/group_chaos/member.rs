//! A member that notes what it is given and what it hands out.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use klamm::{Client, ConsumerBuilder, Rebalance, RebalanceListener, TopicPartition};
use tokio::task::JoinHandle;

use super::history::{End, History};
use crate::support::within;

struct Notes {
    member: usize,
    history: Arc<Mutex<History>>,
    owned: Arc<Mutex<BTreeSet<i32>>>,
    failed_commits: Arc<Mutex<Vec<String>>>,
}

fn indexes(partitions: &[TopicPartition]) -> impl Iterator<Item = i32> {
    partitions.iter().map(|at| at.partition)
}

impl Notes {
    fn ended(&self, partitions: &[TopicPartition], end: End) {
        let mut owned = self.owned.lock().unwrap();
        owned.retain(|owned| indexes(partitions).all(|index| index != *owned));
        let mut history = self.history.lock().unwrap();
        history.ended(self.member, indexes(partitions), end);
    }
}

impl RebalanceListener for Notes {
    async fn on_assigned(&self, _: &Rebalance, partitions: &[TopicPartition]) {
        self.owned.lock().unwrap().extend(indexes(partitions));
        self.history
            .lock()
            .unwrap()
            .assigned(self.member, indexes(partitions));
    }

    async fn on_revoked(&self, rebalance: &Rebalance, partitions: &[TopicPartition]) {
        let end = match rebalance.commit().await {
            Ok(()) => End::Clean,
            Err(error) => {
                self.failed_commits.lock().unwrap().push(error.to_string());
                End::Unclean
            }
        };
        self.ended(partitions, end);
    }

    async fn on_lost(&self, _: &Rebalance, partitions: &[TopicPartition]) {
        self.ended(partitions, End::Unclean);
    }
}

/// See the module; it polls in a task of its own.
pub(crate) struct Member {
    number: usize,
    history: Arc<Mutex<History>>,
    owned: Arc<Mutex<BTreeSet<i32>>>,
    stop: Arc<AtomicBool>,
    pause: Arc<Mutex<Duration>>,
    pub(crate) failed_commits: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Member {
    /// With a client of its own, as in a process of its own.
    pub(crate) async fn start(
        number: usize,
        bootstrap: &str,
        history: &Arc<Mutex<History>>,
        configure: impl Fn(ConsumerBuilder) -> ConsumerBuilder,
    ) -> Self {
        let client = within(60, "connecting", Client::connect(bootstrap))
            .await
            .unwrap();
        let owned = Arc::new(Mutex::new(BTreeSet::new()));
        let failed_commits = Arc::new(Mutex::new(Vec::new()));
        let notes = Notes {
            member: number,
            history: Arc::clone(history),
            owned: Arc::clone(&owned),
            failed_commits: Arc::clone(&failed_commits),
        };
        let builder = configure(client.consumer()).rebalance_listener(notes);
        let mut consumer = within(60, "building a consumer", builder.build())
            .await
            .unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let pause = Arc::new(Mutex::new(Duration::ZERO));
        let (end, wait, notes) = (Arc::clone(&stop), Arc::clone(&pause), Arc::clone(history));
        let task = tokio::spawn(async move {
            let mut polls = 0;
            while !end.load(Ordering::Relaxed) {
                let polled = consumer.poll_timeout(Duration::from_millis(50)).await;
                // What goes wrong for good shows in the history; the rest passes.
                let Ok(records) = polled else { continue };
                {
                    let mut history = notes.lock().unwrap();
                    for record in &records {
                        history.handed_out(number, record.partition, record.offset);
                    }
                }
                polls += 1;
                if polls % 20 == 0 {
                    drop(consumer.commit_async());
                }
                let pause = std::mem::take(&mut *wait.lock().unwrap());
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
            let _ = consumer.close(Duration::from_secs(30)).await;
        });
        Self {
            number,
            history: Arc::clone(history),
            owned,
            stop,
            pause,
            failed_commits,
            task,
        }
    }

    pub(crate) fn owned(&self) -> BTreeSet<i32> {
        self.owned.lock().unwrap().clone()
    }

    /// It does not poll for this long, once.
    pub(crate) fn pause(&self, time: Duration) {
        *self.pause.lock().unwrap() = time;
    }

    /// Leaves the group.
    pub(crate) async fn close(self) {
        self.stop.store(true, Ordering::Relaxed);
        within(60, "closing", self.task).await.unwrap();
    }

    /// Gone without a word.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
        self.history.lock().unwrap().killed(self.number);
    }
}
