// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// A million timers after a kill: from the start of the next process until all are armed again.
enum Reload {
    /// What is read of a metastore where all its waits are armed: the limit of that.
    static let reading =
        "SELECT wait_id, kind, target, due_at, deadline, since, definition, progress, event_floor FROM wait"

    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let sensors = min(size, 1000)
        let runs = (size + sensors - 1) / sensors
        let first = try await EngineUnderTest(place, bench: "timers-hold", size: sensors, room: 128)
        try await first.trigger("timers-hold", runs: runs)
        try await first.until("all timers wait", within: 600) { try $0.waitCount() >= runs * sensors }
        try first.kill()
        let second = try await EngineUnderTest(place, bench: "timers-hold", size: sensors, room: 128)
        try await second.untilArmed(runs * sensors, within: 120)
        let armed = Monotonic.seconds - second.first.startedAt
        try second.stop()
        let limit = try place.readTime(reading)
        // The goal is for a million; fewer have their share of it beside the start of a process.
        let goal = 0.3 + 4.7 * Double(size) / 1_000_000
        return [Metric("armed_after", armed, "s", goal: .atMost(goal), limit: limit)]
    }
}
