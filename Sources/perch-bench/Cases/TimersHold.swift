// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// A million timers in one standalone: what they hold while none is due.
enum TimersHold {
    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let sensors = min(size, 1000)
        let runs = (size + sensors - 1) / sensors
        let engine = try await EngineUnderTest(place, bench: "timers-hold", size: sensors, room: 128)
        let empty = try engine.tree.resident().all
        let start = Monotonic.seconds
        try await engine.trigger("timers-hold", runs: runs)
        try await engine.until("all timers wait", within: 600) { try $0.waitCount() >= runs * sensors }
        let rate = Double(runs * sensors) / (Monotonic.seconds - start)
        try await engine.untilArmed(runs * sensors, within: 120)
        // What building it all took is given back.
        _ = try await engine.processorShare(over: 5)
        let resident = try engine.tree.resident()
        let share = try await engine.processorShare(over: 20)
        try engine.stop()
        let heap = Double(runs * sensors) * 16
        // The goal is for a million; fewer have as much as an idle engine and their share of the rest.
        let goal = 60e6 + 240e6 * Double(size) / 1_000_000
        return [
            Metric("resident", resident.all, "bytes", goal: .atMost(goal), limit: heap),
            Metric("resident_engine", resident.engine, "bytes", goal: .none, limit: heap),
            Metric("resident_more", resident.all - empty, "bytes", goal: .none, limit: heap),
            Metric("idle_cpu", share, "percent", goal: .atMost(0.05), limit: 0),
            Metric(
                "registered", rate, "per_s", goal: .none,
                limit: try place.rates().insert),
        ]
    }
}
