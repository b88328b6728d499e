// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// What a wait is for that is for something else than one file to be there.
enum FileAim {
    /// Nothing at the one path.
    case removed
    /// Something else at the one path than there was.
    case changed(FileBaseline)
    /// So many files that match, or none.
    case counted(FileTally)

    /// Nil where one file that is there is enough.
    init?(_ trigger: FileTrigger, _ pattern: FilePattern, _ wait: ArmedWait) throws(PerchError) {
        switch trigger.until {
        case .there:
            guard let atLeast = trigger.atLeast else { return nil }
            self = .counted(FileTally(atLeast: atLeast))
        case .removed: self = pattern.isOneFile ? .removed : .counted(FileTally(atLeast: 0))
        case .changed:
            if let progress = wait.progress {
                self = .changed(try FileBaseline(progress))
            } else {
                self = .changed(.unknown(since: wait.since.microseconds))
            }
        }
    }

    /// Whether it must be seen while a writer holds a file open.
    var watchesWrites: Bool { if case .changed = self { true } else { false } }
}

/// What was at a path when its wait was first armed. Stored with the wait, so that a restart does not begin anew.
enum FileBaseline: Equatable {
    /// Nobody could look yet; when the wait was registered.
    case unknown(since: Int64)
    case nothing
    case file(FileFacts)

    /// Reads what `progress` writes.
    init(_ progress: JSONValue) throws(PerchError) {
        if progress["absent"] == .bool(true) {
            self = .nothing
            return
        }
        guard case .integer(let size) = progress["size"], case .integer(let modified) = progress["modified"],
            case .integer(let inode) = progress["inode"]
        else { throw PerchError(.invalid, "what was stored of its file cannot be read: \(progress.text.shown(200))") }
        self = .file(FileFacts(size: size, modified: modified, inode: UInt64(bitPattern: inode)))
    }

    /// What is stored; nil where there is nothing to store yet.
    var progress: JSONValue? {
        switch self {
        case .unknown: nil
        case .nothing: ["absent": true]
        case .file(let facts):
            .object([
                "size": .integer(facts.size), "modified": .integer(facts.modified),
                "inode": .integer(Int64(bitPattern: facts.inode)),
            ])
        }
    }

    var text: String {
        switch self {
        case .unknown: "nobody could look yet"
        case .nothing: "nothing was there"
        case .file(let facts): "\(facts.size) bytes, changed \(Timestamp(microseconds: facts.modified / 1_000))"
        }
    }
}

/// What a wait that counts has found up to now. It may know of files that have gone since: each is looked at again
/// before the wait fires.
final class FileTally {
    /// Zero: the wait is for nothing to match.
    let atLeast: Int
    /// Those that are as wanted, by path.
    var files: [String: FileFacts] = [:]
    /// Those that could not be asked for, with the reason.
    var unclear: [String: String] = [:]
    /// Directories may have gone, or events were lost.
    var isDoubtful = false
    /// Every directory on the wait's way has been looked into since it was last known that something matches.
    var isConfirmed = false

    init(atLeast: Int) {
        self.atLeast = atLeast
    }
}
