// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Waits for the end of a process of this machine.
public struct ProcessTrigger: Trigger {
    public typealias Event = ProcessEnd
    public static let kind = "process"

    /// The process that is to end.
    public var process: DetachedProcess

    /// A wait for the end of a process.
    public init(_ process: DetachedProcess) {
        self.process = process
    }

    public var target: String { "\(process.pid):\(process.startTime):\(process.bootID)" }

    public var problems: [String] {
        process.pid > 0 ? [] : ["a process id is a positive number, not \(process.pid)"]
    }
}

/// How a process has ended.
public struct ProcessEnd: Codable, Hashable, Sendable {
    /// What it returned; nil where a signal ended it or nobody knows.
    public var exitCode: Int32?
    /// The signal that ended it.
    public var signal: Int32?
    /// When it ended; nil where nobody knows.
    public var endedAt: Timestamp?

    /// An end from its parts.
    public init(exitCode: Int32? = nil, signal: Int32? = nil, endedAt: Timestamp? = nil) {
        self.exitCode = exitCode
        self.signal = signal
        self.endedAt = endedAt
    }

    /// Whether neither an exit code nor a signal is known: it was killed with its supervisor, the machine was started
    /// anew, or it was not started as a `DetachedProcess`.
    public var isUnknown: Bool { exitCode == nil && signal == nil }

    enum CodingKeys: String, CodingKey {
        case exitCode = "exit_code"
        case signal
        case endedAt = "ended_at"
    }
}

extension Trigger where Self == ProcessTrigger {
    /// Waits for the end of a process that was started detached.
    public static func process(_ process: DetachedProcess) -> ProcessTrigger { ProcessTrigger(process) }

    /// Waits for the end of the process that has an id now; its exit code stays unknown.
    /// - Throws: `PerchError` (`notFound`) where there is no such process.
    public static func process(pid: Int32) throws -> ProcessTrigger {
        guard let process = DetachedProcess(pid: pid) else {
            throw PerchError(.notFound, "there is no process \(pid) on this machine")
        }
        return ProcessTrigger(process)
    }
}
