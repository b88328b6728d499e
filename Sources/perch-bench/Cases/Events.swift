// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// External events through the engine's socket, each of which wakes one of a hundred thousand waits by its key.
enum Events {
    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let sensors = min(size, 1_000)
        let runs = (size + sensors - 1) / sensors
        let engine = try await EngineUnderTest(place, bench: "events", size: sensors, room: 128)
        try await engine.trigger("events", runs: runs)
        try await engine.until("all wait", within: 300) { try $0.waitCount() >= runs * sensors }
        try await engine.untilArmed(runs * sensors, kind: "event", within: 60)
        var lines: [String] = []
        for run in 0..<runs {
            for sensor in 0..<sensors { lines.append(#"{"name":"bench","key":"bench_\#(run)/\#(sensor)"}"#) }
        }
        let socket = try LineSocket(path: place.home + "/events.sock")
        let start = Monotonic.seconds
        try socket.exchange(lines)
        let accepted = Monotonic.seconds - start
        try await engine.until("all have fired", within: 300) { try $0.waitCount() == 0 }
        let fired = Monotonic.seconds - start
        try engine.stop()
        let limit = try place.rates().insert
        return [
            Metric("rate", Double(lines.count) / accepted, "per_s", goal: .atLeast(20_000), limit: limit),
            Metric("fired", Double(lines.count) / fired, "per_s", goal: .none, limit: limit / 2),
        ]
    }
}
