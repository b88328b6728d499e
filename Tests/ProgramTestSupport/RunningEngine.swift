// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// A `standalone`, or another role, in a process of its own.
public final class RunningEngine: Sendable {
    /// Its process id.
    public var pid: Int32 { process.processIdentifier }
    private let process: Process
    private let errors: String

    /// Starts it and returns when it says that it is ready.
    public init(
        _ program: Program, role: String = "standalone", home: String, log: String, arguments: [String] = []
    ) throws {
        errors = log
        process = try program.prepare(
            [role, "--home", home] + arguments, in: nil, output: "/dev/null", errors: log)
        process.standardInput = FileHandle.nullDevice
        try process.run()
        while !text.contains("ready:") {
            guard process.isRunning else {
                throw RunningEngineError(description: "the engine ended with \(process.terminationStatus): \(text)")
            }
            // The engine's readiness is a line in a file; there is nothing to wait on but the next look.
            usleep(5_000)
        }
    }

    /// What it has said so far.
    public var text: String {
        (try? String(contentsOfFile: errors, encoding: .utf8)) ?? ""  // because a cut character reads later
    }

    /// The code with which it has ended; nil while it lives.
    public var code: Int32? { process.isRunning ? nil : process.terminationStatus }

    /// Kills it as a power cut would.
    public func kill() {
        Glibc.kill(pid, SIGKILL)
        process.waitUntilExit()
    }

    /// Stops it where it stands, as a machine that hangs does, until `thaw`.
    public func freeze() { Glibc.kill(pid, SIGSTOP) }

    /// Lets it go on.
    public func thaw() { Glibc.kill(pid, SIGCONT) }

    /// Stops it cleanly; gives its exit code.
    @discardableResult
    public func stop() -> Int32 {
        process.terminate()
        process.waitUntilExit()
        return process.terminationStatus
    }
}

/// Why an engine did not start.
public struct RunningEngineError: Error, CustomStringConvertible {
    public var description: String

    public init(description: String) { self.description = description }
}
