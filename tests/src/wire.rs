//! Requests written by hand: three that tell whether a broker answers, and one that no client would send.
//!
//! Owns: `ApiVersions` v0, `Metadata` v1, `CreateTopics` v2 and `Produce` v3, the oldest that brokers from 2.1 to 4.4 all accept, on one
//! connection per call. Does not: serve as a client; what it can't read is an error and the caller asks again.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const API_PRODUCE: i16 = 0;
const API_METADATA: i16 = 3;
const API_API_VERSIONS: i16 = 18;
const API_CREATE_TOPICS: i16 = 19;
const CORRELATION_ID: i32 = 0x6b6c_616d;
/// Time for one step on loopback. A paused broker accepts connections and never answers.
const IO_TIMEOUT: Duration = Duration::from_secs(5);
const CREATE_TIMEOUT_MS: i32 = 30_000;
const RESPONSE_BYTES_MAX: usize = 16 << 20;

/// What one broker believes of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) broker_ids: Vec<i32>,
    pub(crate) controller_id: i32,
    /// Leaders of the asked topic by partition, -1 for none; empty if the broker does not know the topic yet.
    pub(crate) leaders: Vec<i32>,
    /// How many replicas are not in sync in the partition where it is most.
    pub(crate) out_of_sync: usize,
}

/// Asks for the broker's API versions: the first thing that any client does.
pub(crate) fn api_versions(port: u16) -> io::Result<()> {
    let response = call(port, API_API_VERSIONS, 0, &[])?;
    match Reader(&response).i16()? {
        0 => Ok(()),
        code => Err(invalid(&format!(
            "ApiVersions was answered with error code {code}"
        ))),
    }
}

/// Asks for the brokers and, if there is one, for `topic`.
pub(crate) fn metadata(port: u16, topic: Option<&str>) -> io::Result<Metadata> {
    let mut body = Vec::new();
    body.extend(i32::from(topic.is_some()).to_be_bytes());
    if let Some(topic) = topic {
        put_string(&mut body, topic);
    }
    let response = call(port, API_METADATA, 1, &body)?;

    let mut reader = Reader(&response);
    let mut metadata = Metadata::default();
    for _ in 0..reader.i32()? {
        metadata.broker_ids.push(reader.i32()?);
        reader.string()?; // host
        reader.i32()?; // port
        reader.string()?; // rack
    }
    metadata.controller_id = reader.i32()?;
    for _ in 0..reader.i32()? {
        reader.i16()?; // error code: without a leader it has no partitions
        reader.string()?;
        reader.bytes(1)?; // is internal
        let mut leaders = Vec::new();
        for _ in 0..reader.i32()? {
            reader.i16()?; // error code: leader not available
            let partition = reader.i32()?;
            leaders.push((partition, reader.i32()?));
            let replicas = reader.node_count()?;
            let out_of_sync = replicas.saturating_sub(reader.node_count()?);
            metadata.out_of_sync = metadata.out_of_sync.max(out_of_sync);
        }
        leaders.sort_unstable();
        metadata.leaders = leaders.into_iter().map(|(_, leader)| leader).collect();
    }
    Ok(metadata)
}

/// Creates a topic with the broker's default replication factor (KIP-464) and the given configuration.
pub(crate) fn create_topic(
    port: u16,
    topic: &str,
    partitions: i32,
    config: &[(&str, &str)],
    replication: i16,
) -> io::Result<()> {
    let mut body = Vec::new();
    body.extend(1_i32.to_be_bytes());
    put_string(&mut body, topic);
    body.extend(partitions.to_be_bytes());
    body.extend(replication.to_be_bytes());
    body.extend(0_i32.to_be_bytes()); // assignments
    body.extend((config.len() as i32).to_be_bytes());
    for (name, value) in config {
        put_string(&mut body, name);
        put_string(&mut body, value);
    }
    body.extend(CREATE_TIMEOUT_MS.to_be_bytes());
    body.push(0); // validate only
    let response = call(port, API_CREATE_TOPICS, 2, &body)?;

    let mut reader = Reader(&response);
    reader.i32()?; // throttle time
    reader.i32()?; // one topic
    reader.string()?;
    match (reader.i16()?, reader.string()?) {
        (0, _) => Ok(()),
        (code, message) => Err(invalid(&format!("error code {code}: {message}"))),
    }
}

/// Writes a batch of a transaction; gives the error code.
pub(crate) fn produce(
    port: u16,
    transactional_id: &str,
    topic: &str,
    partition: i32,
    batch: &[u8],
) -> io::Result<i16> {
    let mut body = Vec::new();
    put_string(&mut body, transactional_id);
    body.extend((-1_i16).to_be_bytes()); // acks
    body.extend(10_000_i32.to_be_bytes()); // timeout
    body.extend(1_i32.to_be_bytes());
    put_string(&mut body, topic);
    body.extend(1_i32.to_be_bytes());
    body.extend(partition.to_be_bytes());
    body.extend((batch.len() as i32).to_be_bytes());
    body.extend(batch);
    let response = call(port, API_PRODUCE, 3, &body)?;

    let mut reader = Reader(&response);
    reader.i32()?; // one topic
    reader.string()?;
    reader.i32()?; // one partition
    reader.i32()?;
    reader.i16()
}

/// Sends one request and gives the body of the response.
fn call(port: u16, api: i16, version: i16, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    request.extend(api.to_be_bytes());
    request.extend(version.to_be_bytes());
    request.extend(CORRELATION_ID.to_be_bytes());
    put_string(&mut request, "klamm-tests");
    request.extend(body);

    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, IO_TIMEOUT)?;
    stream.set_read_timeout(Some(IO_TIMEOUT))?;
    stream.set_write_timeout(Some(IO_TIMEOUT))?;
    stream.write_all(&[&(request.len() as i32).to_be_bytes()[..], &request].concat())?;

    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let size = usize::try_from(i32::from_be_bytes(size)).unwrap_or(usize::MAX);
    if !(4..=RESPONSE_BYTES_MAX).contains(&size) {
        return Err(invalid(&format!("a response of {size} bytes")));
    }
    let mut response = vec![0; size];
    stream.read_exact(&mut response)?;
    if response[..4] != CORRELATION_ID.to_be_bytes() {
        return Err(invalid("a response to another request"));
    }
    Ok(response.split_off(4))
}

fn put_string(request: &mut Vec<u8>, text: &str) {
    request.extend((text.len() as i16).to_be_bytes());
    request.extend(text.as_bytes());
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The rest of a response.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (head, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| invalid("a response that ends too early"))?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        Ok(self
            .bytes(N)?
            .try_into()
            .expect("bytes gives as many as it was asked for"))
    }

    fn i16(&mut self) -> io::Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> io::Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    /// An array of node ids, of which only the number is of interest.
    fn node_count(&mut self) -> io::Result<usize> {
        let count = usize::try_from(self.i32()?).map_err(|_| invalid("negative count"))?;
        self.bytes(count * 4)?;
        Ok(count)
    }

    /// A string; a null one is empty.
    fn string(&mut self) -> io::Result<String> {
        let length = self.i16()?;
        let bytes = self.bytes(usize::try_from(length).unwrap_or(0))?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}
