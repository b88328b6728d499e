// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What the kernel refused to the loop.
public struct ReactorError: Error, Hashable, CustomStringConvertible, Sendable {
    /// The system call that failed.
    public var call: String
    /// Its errno.
    public var number: Int32

    /// An error of a system call.
    public init(call: String, number: Int32) {
        self.call = call
        self.number = number
    }

    /// The call and the system's text for its errno.
    public var description: String {
        "\(call): \(Self.text(of: number)) (errno \(number))"
    }

    /// The system's text for an errno.
    public static func text(of number: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        // Whichever of the two forms of strerror_r this is, a text that is not in the buffer is none worth showing.
        guard let text = strerror(number) else { return "errno \(number)" }
        strncpy(&buffer, text, buffer.count - 1)
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
