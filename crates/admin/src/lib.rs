//! The admin of the klamm Kafka client
