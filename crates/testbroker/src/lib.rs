//! A Kafka broker in the process, for quickstarts, tests and simulation
