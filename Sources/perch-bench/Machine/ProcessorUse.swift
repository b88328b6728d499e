// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What all processes of the machine have used of its cores, at a moment.
struct ProcessorUse {
    private let busy: Double
    private let all: Double

    init() throws {
        let text = try String(contentsOfFile: "/proc/stat", encoding: .utf8)
        // cpu, and the time in user, nice, system, idle, iowait, irq, softirq, steal.
        let ticks = text.prefix { $0 != "\n" }.split(separator: " ").dropFirst().prefix(8).compactMap { Double($0) }
        guard ticks.count == 8 else { throw BenchError("/proc/stat has another form") }
        all = ticks.reduce(0, +)
        busy = all - ticks[3] - ticks[4]
    }

    /// In percent of all cores.
    func share(since before: ProcessorUse) -> Double {
        all > before.all ? (busy - before.busy) / (all - before.all) * 100 : 0
    }
}
