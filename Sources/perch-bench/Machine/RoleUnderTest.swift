// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A process of the engine under test, started from this same executable.
final class RoleUnderTest: Sendable {
    /// `standalone`, `scheduler`, `worker`, `triggerer`.
    let role: String
    /// When it was started, by `Monotonic`.
    let startedAt: Double
    /// From its start until it said that it is ready, in seconds.
    let readyAfter: Double
    private let process: Process

    var pid: Int32 { process.processIdentifier }
    var isRunning: Bool { process.isRunning }

    /// Starts it and returns when it is ready.
    init(_ role: String, _ arguments: [String], environment: [String: String]) throws {
        self.role = role
        process = Process()
        process.executableURL = URL(filePath: "/proc/self/exe")
        process.arguments = [role] + arguments
        process.environment = environment
        let errors = Pipe()
        process.standardError = errors
        startedAt = Monotonic.seconds
        try process.run()
        do {
            try Self.waitForReadiness(errors.fileHandleForReading, role)
        } catch {
            process.waitUntilExit()
            throw error
        }
        readyAfter = Monotonic.seconds - startedAt
    }

    /// One of a case that went wrong does not live on.
    deinit { if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) } }

    /// Reads its messages until it is ready, and goes on reading so that it never blocks on them.
    private static func waitForReadiness(_ errors: FileHandle, _ role: String) throws {
        var text = ""
        while !text.hasPrefix("ready:"), !text.contains("\nready:") {
            let chunk = errors.availableData
            guard !chunk.isEmpty else { throw BenchError("the \(role) did not start: \(text)") }
            text += String(decoding: chunk, as: UTF8.self)
        }
        Thread.detachNewThread {
            while true {
                let chunk = errors.availableData
                if chunk.isEmpty { return }
                for line in String(decoding: chunk, as: UTF8.self).split(separator: "\n") where line != "stopping" {
                    FileHandle.standardError.write(Data("\(line)\n".utf8))
                }
            }
        }
    }

    /// Stops its threads, and leaves all that it holds.
    func freeze() { Foundation.kill(pid, SIGSTOP) }

    /// Ends it as a crash does.
    func kill() {
        Foundation.kill(pid, SIGKILL)
        process.waitUntilExit()
    }

    /// Ends it.
    func stop() {
        process.terminate()
        process.waitUntilExit()
    }
}
