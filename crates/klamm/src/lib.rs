//! A Kafka client in Rust with no C in it: producer, consumer and admin
