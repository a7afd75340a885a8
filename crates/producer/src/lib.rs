//! The producer of the klamm Kafka client
