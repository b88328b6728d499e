// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A standalone that has nothing to do.
enum Idle {
    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let engine = try await EngineUnderTest(place, bench: "", size: 0, room: 32)
        _ = try await engine.processorShare(over: 2)
        let resident = try engine.tree.resident()
        let share = try await engine.processorShare(over: 20)
        try engine.stop()
        let empty = try emptyExecutable()
        return [
            Metric("resident", resident.all, "bytes", goal: .atMost(60e6), limit: empty.resident),
            Metric("resident_engine", resident.engine, "bytes", goal: .none, limit: empty.resident),
            Metric("cpu", share, "percent", goal: .atMost(0.1), limit: 0),
            Metric("ready_after", engine.first.readyAfter * 1000, "ms", goal: .atMost(300), limit: empty.start),
        ]
    }

    /// An executable that does nothing: its memory in bytes and the time until it runs, in ms.
    private static func emptyExecutable() throws -> (resident: Double, start: Double) {
        let process = Process()
        process.executableURL = URL(filePath: "/bin/cat")
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        let start = Monotonic.seconds
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: Data("x".utf8))
        _ = output.fileHandleForReading.availableData
        let time = (Monotonic.seconds - start) * 1000
        let resident = try ProcessTree(roots: [process.processIdentifier]).resident().all
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
        return (resident, time)
    }
}
