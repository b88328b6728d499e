// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The machine's clock for lengths of time; the same in every process.
enum Monotonic {
    static var nanoseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    static var seconds: Double { Double(nanoseconds) / 1e9 }
}

/// A fault of the measurement itself.
struct BenchError: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}
