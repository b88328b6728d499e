// SPDX-License-Identifier: Apache-2.0

import Glibc
import PerchReactor
import PerchSDK
import PerchTriggersFile
import PerchTriggersTestSupport

/// A temporary directory that goes when the test is over.
final class Scratch: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/perch-file-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw ReactorError(call: "mkdtemp", number: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        // The paths are made here, and a left-over in /tmp is no reason to fail.
        _ = system("rm -rf '\(path)'")
    }

    func make(_ name: String) throws {
        guard mkdir("\(path)/\(name)", 0o755) == 0 else { throw ReactorError(call: "mkdir", number: errno) }
    }

    func write(_ name: String, _ text: String = "x", appending: Bool = false) throws {
        let flags = O_WRONLY | O_CREAT | (appending ? O_APPEND : O_TRUNC)
        let file = open("\(path)/\(name)", flags, 0o644)
        guard file >= 0 else { throw ReactorError(call: "open", number: errno) }
        _ = Glibc.write(file, text, text.utf8.count)
        close(file)
    }

    func move(_ old: String, _ new: String) throws {
        guard rename("\(path)/\(old)", "\(path)/\(new)") == 0 else {
            throw ReactorError(call: "rename", number: errno)
        }
    }

    func remove(_ name: String) throws {
        guard unlink("\(path)/\(name)") == 0 || rmdir("\(path)/\(name)") == 0 else {
            throw ReactorError(call: "remove", number: errno)
        }
    }

    /// A wait for a path in here.
    func wait(
        _ id: Int64, _ name: String, stableFor: Duration? = nil, minimumSize: Int? = nil,
        until: FileTrigger.Until = .there, atLeast: Int? = nil, progress: JSONValue? = nil, since: Int64 = .max / 2
    ) throws -> ArmedWait {
        let trigger = FileTrigger(
            path: "\(path)/\(name)", stableFor: stableFor.map { TimeSpan($0) }, minimumSize: minimumSize,
            until: until, atLeast: atLeast)
        let spec = try TriggerSpec(trigger)
        return ArmedWait(
            waitID: id, kind: spec.kind, target: spec.target, definition: spec.definition,
            since: Timestamp(microseconds: since), progress: progress)
    }
}

typealias FileBench = SourceBench<FileSource>

func fileBench(
    _ change: @escaping @Sendable (inout FileSource.Options) -> Void = { _ in }
) async throws -> FileBench {
    try await fileBench(now: ThreadReactor.wallClock, change)
}

func fileBench(
    now: @escaping @Sendable () -> Int64, machineTime: (@Sendable () -> Int64)? = nil,
    _ change: @escaping @Sendable (inout FileSource.Options) -> Void = { _ in }
) async throws -> FileBench {
    try await SourceBench(now: now, machineTime: machineTime) { loop, report in
        var options = FileSource.Options()
        change(&options)
        return FileSource(loop: loop, options: options, report: report)
    }
}

extension SourceBench where Source == FileSource {
    func gauge(_ name: String) async throws -> Int {
        try await on { source, _ in source.gauges.first { $0.name == name }?.value ?? -1 }
    }

    /// Everything that there is to say about a wait.
    func explanation(of waitID: Int64) async throws -> String {
        try await on { source, _ in source.explain(waitID)?.sentences.joined(separator: " ") ?? "" }
    }

    /// Waits until the source has looked everywhere it meant to look.
    func untilLooked(_ waitID: Int64) async throws {
        try await untilSource("looked after \(waitID)") { $0.explain(waitID)?.probe?.lastProbeAt != nil }
    }
}
