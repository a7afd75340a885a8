//! The consumer of the klamm Kafka client
