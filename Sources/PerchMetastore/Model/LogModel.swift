// SPDX-License-Identifier: Apache-2.0

/// Names the log of one try in the metastore.
public struct LogID: Sendable, Hashable {
    public var taskInstanceID: Int64
    public var tryNumber: Int

    /// A name from its parts.
    public init(taskInstanceID: Int64, tryNumber: Int) {
        self.taskInstanceID = taskInstanceID
        self.tryNumber = tryNumber
    }
}

/// A piece of what a try says, as its worker sends it.
public struct LogPiece: Sendable, Hashable {
    /// When a piece belongs into the log.
    public enum Place: Int, Sendable {
        /// In any case.
        case always
        /// Where it begins the log.
        case first
        /// Where something stands there already.
        case later
        /// Where the piece before it is there.
        case afterLast
    }

    public var log: LogID
    /// The worker that sends it.
    public var writer: Int64
    /// Which of all its pieces it is; the same whenever it is sent again.
    public var position: Int64
    public var place: Place
    /// Whole characters.
    public var text: String

    /// A piece from its parts.
    public init(log: LogID, writer: Int64, position: Int64, place: Place, text: String) {
        self.log = log
        self.writer = writer
        self.position = position
        self.place = place
        self.text = text
    }
}

/// A part of a log as it is stored: so many bytes from a place on.
public struct LogPart: Sendable, Hashable {
    public var start: Int64
    public var size: Int64
    /// The machine and the home of the worker that has sent it.
    public var origin: String
    /// Nil: it stands in a file of the archive.
    public var text: String?

    /// The first byte behind it.
    public var end: Int64 { start + size }
}
