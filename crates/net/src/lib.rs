//! Connections, version negotiation, cluster metadata and request routing of the klamm Kafka client

pub mod config;
