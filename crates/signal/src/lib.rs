//! Rendezvous: a server where devices of a topic find each other, and its client.
