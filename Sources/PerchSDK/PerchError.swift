// SPDX-License-Identifier: Apache-2.0

/// An error of Perch: what went wrong, where, and what to do about it, in a sentence for people.
public struct PerchError: Error, CustomStringConvertible, Sendable {
    /// The kind of an error, for code that has to tell them apart.
    public struct Code: RawRepresentable, Hashable, Sendable {
        public var rawValue: String

        /// A code by its stable name.
        public init(rawValue: String) { self.rawValue = rawValue }

        /// A declaration, argument or document is wrong.
        public static let invalid = Code(rawValue: "invalid")
        /// There is no such thing.
        public static let notFound = Code(rawValue: "not_found")
        /// It is there already, or held by another.
        public static let conflict = Code(rawValue: "conflict")
        /// The disk, the network, a process or the system refused.
        public static let unavailable = Code(rawValue: "unavailable")
        /// The metastore is damaged, of a newer schema, or no metastore.
        public static let metastore = Code(rawValue: "metastore")
    }

    public var code: Code
    /// One line that names the file, line, field or id, and what would be right.
    public var message: String
    /// What it came from.
    public var cause: (any Error)?

    /// An error from its parts.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// The message, with the cause behind it.
    public var description: String {
        guard let cause else { return message }
        return "\(message): \(cause)"
    }
}
