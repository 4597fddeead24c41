//! Object CRDTs: registers, maps, counters and sets that merge the way people mean.
