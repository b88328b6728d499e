// SPDX-License-Identifier: Apache-2.0

/// Where the engine reads the time: the only source of time in Perch's own code, so that a simulation can replace it.
public protocol PerchClock: Sendable {
    /// The wall clock, UTC.
    var now: Timestamp { get }
}
