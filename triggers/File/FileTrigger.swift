// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Waits until a file or directory is there, and where asked is large enough and no longer written to.
public struct FileTrigger: Trigger {
    public typealias Event = FileEvent
    public static let kind = "file"
    /// The longest that a file can be asked to stay the same: a year, in microseconds.
    private static let longestStability: Int64 = 366 * 86_400 * 1_000_000

    /// The absolute path. `*`, `?` and `[…]` in a component match as in a shell; may hold templates.
    public var path: String
    /// How long size and modification time must have stayed the same; nil: being there is enough.
    public var stableFor: TimeSpan?
    /// The least size in bytes; nil: any.
    public var minimumSize: Int?

    /// A wait for a file.
    public init(path: String, stableFor: TimeSpan? = nil, minimumSize: Int? = nil) {
        self.path = path
        self.stableFor = stableFor
        self.minimumSize = minimumSize
    }

    public var target: String { path }

    public var problems: [String] {
        var problems: [String] = []
        // What a template becomes is looked at when the wait is armed.
        if !path.hasPrefix("{{") {
            do {
                _ = try FilePattern(Template.blanked(path, with: "x"))
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
            minimumSize: try number(.minimumSize).map { Int($0) })
    }

    enum CodingKeys: String, CodingKey {
        case path
        case stableFor = "stable_for"
        case minimumSize = "minimum_size"
    }
}

/// The event of a wait for a file.
public struct FileEvent: Codable, Hashable, Sendable {
    /// The file; of several that a pattern matched, the first in the order of names.
    public var path: String
    /// Its size in bytes when it was looked at.
    public var size: Int64
    public var modifiedAt: Timestamp
    /// All files that the pattern matched at that moment, in the order of names; without a pattern, the one.
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
}
