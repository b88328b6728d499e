// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import PerchMetastore
internal import PerchOutputs
internal import PerchSDK

/// A directory for the logs of attempts that have ended, one that all machines see: files in the scheme of a home's own.
///
/// A log is a file as a whole before its rows go; whatever dies in between leaves both, and both say the same.
///
/// The directory is another machine's, mostly, and may not answer. So what is written there is written by a thread of its own,
/// and nobody waits for that but who asked.
package struct LogArchive: Sendable {
    package let directory: String
    private let thread = FileThread(name: "perch-archive")

    package init(directory: String) { self.directory = directory }

    /// Where the log of a try is, if it is there.
    package func path(of key: TaskInstanceKey, tryNumber: Int) -> String {
        "\(directory)/\(AttemptLogPath.file(of: key, tryNumber: tryNumber))"
    }

    /// So often it begins anew where somebody adds to the log meanwhile; then it stays where it is.
    private static let attempts = 3

    /// Moves a log out of the metastore. What was moved before is kept, what is there twice is not said twice.
    ///
    /// - Parameter worker: Tells its part of a file from those of other workers.
    /// - Throws: `PerchError` (`unavailable`) where the directory cannot be written; what the metastore throws.
    func take(_ logged: LoggedTry, from metastore: Metastore, as worker: Int64) async throws {
        for _ in 0..<Self.attempts {
            let parts = try await metastore.read { try $0.logParts(logged.log, from: 0) }
            guard parts.contains(where: { $0.text != nil }) else { return }
            let path = path(of: logged.key, tryNumber: logged.log.tryNumber)
            let file = try await thread.run {
                Part(
                    file: try WholeFile(path, writtenAs: "\(path).part-\(worker)", mode: 0o640, folderMode: 0o750),
                    place: path)
            }
            let end: Int64
            do {
                end = try await fill(file, with: parts, of: logged.log, from: metastore)
                try await thread.run { try file.file.finish(keepingLonger: true) }
            } catch {
                try await thread.run { file.file.discard() }
                throw error
            }
            if try await metastore.write({ try $0.archiveLog(logged.log, through: end) }) { return }
        }
    }

    /// A file on its way to its place.
    ///
    /// Unchecked, because only the thread touches it, one piece of work after the other.
    private struct Part: @unchecked Sendable {
        let file: WholeFile
        let place: String
    }

    /// Writes a log into a file. Gives how long it was when that was done.
    private func fill(
        _ file: Part, with first: [LogPart], of log: LogID, from metastore: Metastore
    ) async throws -> Int64 {
        var parts = first
        var end: Int64 = 0
        while !parts.isEmpty {
            let (some, start) = (parts, end)
            end = try await thread.run {
                var end = start
                for part in some {
                    let bytes = try part.text.map { Array($0.utf8) } ?? Self.bytes(of: part, file.place)
                    try file.file.write(bytes.dropFirst(max(0, Int(end - part.start))))
                    end = part.end
                }
                return end
            }
            let reached = end
            parts = try await metastore.read { try $0.logParts(log, from: reached) }
        }
        return end
    }

    private static func bytes(of part: LogPart, _ path: String) throws -> [UInt8] {
        let bytes = try read(path, from: part.start, count: Int(part.size))
        guard bytes.count == Int(part.size) else {
            throw PerchError(.unavailable, "the log \(path) is shorter than what was written into it")
        }
        return bytes
    }

    /// So many bytes of a log's file, from a place on; fewer where it ends before.
    /// - Throws: `PerchError`: `notFound` where there is no such file, `unavailable` where it cannot be read.
    package static func read(_ path: String, from offset: Int64, count: Int) throws -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { throw PerchError(.notFound, "there is no log \(path)") }
            throw WholeFile.fault("open", path)
        }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let found = bytes.withUnsafeMutableBytes {
                pread(file, $0.baseAddress! + filled, count - filled, off_t(offset) + filled)
            }
            if found < 0, errno == EINTR { continue }
            guard found >= 0 else { throw WholeFile.fault("read", path) }
            if found == 0 { break }
            filled += found
        }
        return Array(bytes[..<filled])
    }
}
