// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Waits until a file or directory is there, and where asked is large enough and no longer written to; or until it has
/// gone, or changed; or until many are there.
public struct FileTrigger: Trigger {
    public typealias Event = FileEvent
    public static let kind = "file"
    /// The longest that a file can be asked to stay the same: a year, in microseconds.
    private static let longestStability: Int64 = 366 * 86_400 * 1_000_000
    /// The most files that can be waited for together: the event names each.
    private static let mostFiles = 10_000

    /// What is waited for at the path.
    public enum Until: String, Codable, Hashable, Sendable, CaseIterable {
        /// Something is there.
        case there
        /// Nothing is there; with a pattern, nothing matches it.
        case removed
        /// Size, modification time or inode are others than when the wait was first armed.
        case changed
    }

    /// The absolute path. `*`, `?` and `[…]` in a component match as in a shell; may hold templates.
    public var path: String
    /// How long size and modification time must have stayed the same; nil: being there is enough.
    public var stableFor: TimeSpan?
    /// The least size in bytes; nil: any.
    public var minimumSize: Int?
    /// What is waited for.
    public var until: Until
    /// How many files must match; nil: one, whatever else does.
    public var atLeast: Int?

    /// A wait for a file.
    public init(
        path: String, stableFor: TimeSpan? = nil, minimumSize: Int? = nil, until: Until = .there, atLeast: Int? = nil
    ) {
        self.path = path
        self.stableFor = stableFor
        self.minimumSize = minimumSize
        self.until = until
        self.atLeast = atLeast
    }

    public var target: String { path }

    public var problems: [String] {
        var problems: [String] = []
        // What a template becomes is looked at when the wait is armed.
        if path.hasPrefix("{{") {
            problems += conflicts(with: nil)
        } else {
            do {
                let blanked = Template.blanked(path, with: "x")
                let pattern = try FilePattern(blanked)
                problems += conflicts(with: blanked == path || !pattern.isOneFile ? pattern : nil)
            } catch {
                problems.append(error.message)
            }
        }
        if let stableFor, !(0...Self.longestStability).contains(stableFor.microseconds) {
            problems.append("stableFor cannot be \(stableFor)")
        }
        if let minimumSize, minimumSize < 0 { problems.append("minimumSize cannot be \(minimumSize)") }
        return problems
    }

    /// What contradicts itself; nil for the pattern: it is not known yet.
    func conflicts(with pattern: FilePattern?) -> [String] {
        var conflicts: [String] = []
        if until != .there {
            if stableFor != nil { conflicts.append("a wait until a file is \(until.rawValue) has no stableFor") }
            if minimumSize != nil { conflicts.append("a wait until a file is \(until.rawValue) has no minimumSize") }
            if atLeast != nil { conflicts.append("a wait until a file is \(until.rawValue) has no atLeast") }
        }
        if until == .changed, pattern?.isOneFile == false {
            conflicts.append("a wait until a file is changed is for one file; name it without a pattern")
        }
        if let atLeast {
            if !(1...Self.mostFiles).contains(atLeast) {
                conflicts.append("atLeast cannot be \(atLeast); it is from 1 to \(Self.mostFiles)")
            } else if atLeast > 1, pattern?.isOneFile == true {
                conflicts.append("a path without a pattern never has \(atLeast) files")
            }
        }
        return conflicts
    }

    /// Reads the coded form without a decoder: a hundred thousand waits are armed in one go after a restart.
    init(stored definition: JSONValue) throws(PerchError) {
        func number(_ key: CodingKeys) throws(PerchError) -> Int64? {
            switch definition[key.rawValue] {
            case .integer(let value) where value >= 0 && (key != .stableFor || value <= Self.longestStability):
                return value
            case nil, .null: return nil
            case let value?:
                throw PerchError(
                    .invalid, "'\(key.rawValue)' is \(value.text.shown()), wanted was a whole number from 0 on")
            }
        }
        guard case .string(let path) = definition["path"] else {
            throw PerchError(.invalid, "'path' is no string")
        }
        self.init(
            path: path, stableFor: try number(.stableFor).map { TimeSpan(microseconds: $0) },
            minimumSize: try number(.minimumSize).map { Int($0) }, until: try Self.until(definition["until"]),
            atLeast: try number(.atLeast).map { Int($0) })
    }

    private static func until(_ value: JSONValue?) throws(PerchError) -> Until {
        switch value {
        case nil, .null: return .there
        case .string(let text):
            if let until = Until(rawValue: text) { return until }
        default: break
        }
        throw PerchError(
            .invalid, "'until' is \(value?.text.shown() ?? ""), wanted was 'there', 'removed' or 'changed'")
    }

    /// Reads the coded form; where `until` is missing, the file is to be there.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        path = try container.decode(String.self, forKey: .path)
        stableFor = try container.decodeIfPresent(TimeSpan.self, forKey: .stableFor)
        minimumSize = try container.decodeIfPresent(Int.self, forKey: .minimumSize)
        until = try container.decodeIfPresent(Until.self, forKey: .until) ?? .there
        atLeast = try container.decodeIfPresent(Int.self, forKey: .atLeast)
    }

    /// Writes the coded form; what is as it mostly is, is left out.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(path, forKey: .path)
        try container.encodeIfPresent(stableFor, forKey: .stableFor)
        try container.encodeIfPresent(minimumSize, forKey: .minimumSize)
        if until != .there { try container.encode(until, forKey: .until) }
        try container.encodeIfPresent(atLeast, forKey: .atLeast)
    }

    enum CodingKeys: String, CodingKey {
        case path, until
        case stableFor = "stable_for"
        case minimumSize = "minimum_size"
        case atLeast = "at_least"
    }
}

/// The event of a wait for a file.
public struct FileEvent: Codable, Hashable, Sendable {
    /// The file; of several that a pattern matched, the first in the order of names. Where nothing is any more, the path
    /// that was waited for.
    public var path: String
    /// Its size in bytes when it was looked at.
    public var size: Int64
    /// When it was modified; where nothing is any more, when that was seen.
    public var modifiedAt: Timestamp
    /// All files that the pattern matched at that moment, in the order of names; without a pattern, the one. Empty where
    /// nothing is any more.
    public var paths: [String]

    /// An event from its parts.
    public init(path: String, size: Int64, modifiedAt: Timestamp, paths: [String]? = nil) {
        self.path = path
        self.size = size
        self.modifiedAt = modifiedAt
        self.paths = paths ?? [path]
    }

    /// Reads an event; `paths` may be missing.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        path = try container.decode(String.self, forKey: .path)
        size = try container.decode(Int64.self, forKey: .size)
        modifiedAt = try container.decode(Timestamp.self, forKey: .modifiedAt)
        paths = try container.decodeIfPresent([String].self, forKey: .paths) ?? [path]
    }

    enum CodingKeys: String, CodingKey {
        case path, size, paths
        case modifiedAt = "modified_at"
    }
}

extension Trigger where Self == FileTrigger {
    /// Waits until a file or directory is there.
    ///
    /// - Parameters:
    ///   - path: Absolute. `*`, `?` and `[…]` in any component match as in a shell, `**` does not exist; a backslash takes
    ///     the meaning from the character behind it.
    ///   - stableFor: How long size and modification time must have stayed the same.
    ///   - minimumSize: The least size in bytes.
    public static func file(_ path: String, stableFor: Duration? = nil, minimumSize: Int? = nil) -> FileTrigger {
        FileTrigger(path: path, stableFor: stableFor.map { TimeSpan($0) }, minimumSize: minimumSize)
    }

    /// Waits until nothing is at a path, or with a pattern until nothing matches it. What is not there at the beginning
    /// counts as removed, and so does everything in a directory that does not exist; a link counts as something, wherever
    /// it leads. What may not be read is not known to be gone: it is looked at again.
    ///
    /// - Parameter path: Absolute, with the patterns of `file(_:)`.
    public static func file(removed path: String) -> FileTrigger {
        FileTrigger(path: path, until: .removed)
    }

    /// Waits until size, modification time or inode are others than when the wait was first armed, or the file has
    /// appeared or gone since. What changed while no engine ran is found.
    ///
    /// - Parameter path: Absolute, without a pattern.
    public static func file(changed path: String) -> FileTrigger {
        FileTrigger(path: path, until: .changed)
    }

    /// Waits until so many files are there together.
    ///
    /// - Parameters:
    ///   - path: Absolute, with the patterns of `file(_:)`.
    ///   - atLeast: How many, from 1 to 10,000; the event names all that are there by then.
    ///   - stableFor: How long the size and modification time of each must have stayed the same.
    ///   - minimumSize: The least size of each in bytes.
    public static func files(
        _ path: String, atLeast: Int, stableFor: Duration? = nil, minimumSize: Int? = nil
    ) -> FileTrigger {
        FileTrigger(
            path: path, stableFor: stableFor.map { TimeSpan($0) }, minimumSize: minimumSize, atLeast: atLeast)
    }
}
