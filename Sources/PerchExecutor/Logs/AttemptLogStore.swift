// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc
public import PerchBundle
public import PerchMetastore
internal import PerchSDK

/// The logs of attempts: one file for each try, lines in the order in which they were added. A thread of its own writes
/// them, in batches, so that no disk is waited for where tasks are run.
public final class AttemptLogStore: Sendable {
    /// The directory of all logs.
    public let directory: String
    private let writer: LogWriter

    /// Logs under a directory, which is made when the first line is written.
    public init(directory: String) {
        self.directory = directory
        writer = LogWriter(directory: directory)
    }

    /// Adds lines to the log of a try.
    public func append(
        _ lines: [LogLine], to key: TaskInstanceKey, tryNumber: Int, worth: LogWorth = .always(past: [])
    ) {
        guard !lines.isEmpty else { return }
        let file = AttemptLogPath.file(of: key, tryNumber: tryNumber)
        switch worth {
        case .ifThere: writer.append(Self.bytes(of: lines), to: file, past: nil)
        case .always(let past): writer.append(Self.bytes(of: lines), to: file, past: Self.bytes(of: past))
        }
    }

    static func bytes(of lines: [LogLine]) -> [UInt8] {
        var bytes: [UInt8] = []
        for line in lines { AttemptLogLine.append(line, to: &bytes) }
        return bytes
    }

    /// Returns once everything added before stands in its file.
    public func flush() async { await writer.flush() }

    /// Writes what is left and ends the thread. What is added afterwards is lost.
    public func close() async { await writer.close() }

    /// What went wrong with the last write, if anything did.
    public var lastFailure: String? { writer.lastFailure }

    // MARK: Reading

    /// The path of the log of a try, whether there is one or not. A try whose code said nothing has no file: what there
    /// is to say about it stands in the metastore.
    public func path(of key: TaskInstanceKey, tryNumber: Int) -> String {
        "\(directory)/\(AttemptLogPath.file(of: key, tryNumber: tryNumber))"
    }

    /// The text of the log of a try; nil where it has no file.
    /// - Throws: `PerchError` (`unavailable`) where the file cannot be read.
    public func text(of key: TaskInstanceKey, tryNumber: Int) throws -> String? {
        let path = path(of: key, tryNumber: tryNumber)
        guard access(path, F_OK) == 0 else { return nil }
        do {
            return String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
        } catch {
            throw PerchError(.unavailable, "the log \(path) cannot be read", cause: error)
        }
    }

    /// The tries of an instance that have a log, ascending.
    public func tries(of key: TaskInstanceKey) -> [Int] {
        let path = "\(directory)/\(AttemptLogPath.directory(of: key))"
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var numbers: [Int] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard name.hasPrefix("attempt="), name.hasSuffix(".log") else { continue }
            if let number = Int(name.dropFirst(8).dropLast(4)) { numbers.append(number) }
        }
        return numbers.sorted()
    }
}
