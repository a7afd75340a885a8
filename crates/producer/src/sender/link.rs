//! The connection to each broker and the answers that are awaited on it, oldest first.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use klamm_net::{Connection, Error, NodeId, PendingResponse};

#[derive(Default)]
struct Link {
    connection: Option<Connection>,
    awaited: VecDeque<Awaited>,
}

/// An answer that has not come; it belongs to the connection it was asked on, which may be an older
/// one.
struct Awaited {
    connection: Connection,
    version: i16,
    pending: PendingResponse,
}

#[derive(Default)]
pub(super) struct Links {
    links: BTreeMap<NodeId, Link>,
}

/// An answer, or why there is none.
pub(super) struct Answered {
    pub(super) node: NodeId,
    pub(super) connection: Connection,
    /// Version of the API that it is in.
    pub(super) version: i16,
    pub(super) frame: Result<Bytes, Error>,
}

impl Links {
    /// The open connection to `node`.
    pub(super) fn connection(&self, node: NodeId) -> Option<Connection> {
        let connection = self.links.get(&node)?.connection.as_ref()?;
        (!connection.is_closed()).then(|| connection.clone())
    }

    pub(super) fn open(&mut self, node: NodeId, connection: Connection) {
        self.links.entry(node).or_default().connection = Some(connection);
    }

    pub(super) fn close(&mut self, node: NodeId) {
        self.links.entry(node).or_default().connection = None;
    }

    /// Closes the link to `node` if it still uses `failed`, which has ended.
    pub(super) fn close_if(&mut self, node: NodeId, failed: &Connection) {
        if failed.is_closed() && self.connection(node).is_none() {
            self.close(node);
        }
    }

    pub(super) fn push(
        &mut self,
        node: NodeId,
        connection: &Connection,
        (version, pending): (i16, PendingResponse),
    ) {
        let link = self.links.entry(node).or_default();
        link.awaited.push_back(Awaited {
            connection: connection.clone(),
            version,
            pending,
        });
    }

    /// Waits for the next answer of any broker; answers of one broker come in request order.
    pub(super) async fn next(&mut self) -> Answered {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// An answer that is there already.
    pub(super) fn try_next(&mut self) -> Option<Answered> {
        match self.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answered) => Some(answered),
            Poll::Pending => None,
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Answered> {
        for (node, link) in &mut self.links {
            let Some(oldest) = link.awaited.front_mut() else {
                continue;
            };
            if let Poll::Ready(frame) = Pin::new(&mut oldest.pending).poll(context)
                && let Some(answered) = link.awaited.pop_front()
            {
                return Poll::Ready(Answered {
                    node: *node,
                    connection: answered.connection,
                    version: answered.version,
                    frame,
                });
            }
        }
        Poll::Pending
    }
}
