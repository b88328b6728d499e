// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// Gives a mail bit by bit, reading its attachments on the way.
final class MailStream {
    private var pieces: ArraySlice<MailMessage.Piece>
    private var bytes: ArraySlice<UInt8> = []
    private var file: Int32 = -1
    private var path = ""
    /// How many bytes of attachments may still come: a file may have grown since it was looked at.
    private var budget: Int
    private let limit: Int
    private(set) var sent = 0
    private(set) var failure: NonRetryable?
    /// So many bytes of a file are 57 to a line, which are 76 characters.
    private static let block = 57 * 512

    init(_ message: MailMessage, limit: Int) {
        pieces = message.pieces[...]
        self.limit = limit
        budget = limit
    }

    deinit { if file >= 0 { close(file) } }

    /// Looks at the attachments before anybody is asked to take them.
    static func check(_ attachments: [MailMessage.Attachment], limit: Int) throws(NonRetryable) {
        var total = 0
        for attachment in attachments {
            var status = stat()
            guard stat(attachment.path, &status) == 0 else {
                throw NonRetryable(
                    "the attachment \(attachment.path.shown(300)) cannot be read: \(String(cString: strerror(errno)))")
            }
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw NonRetryable("the attachment \(attachment.path.shown(300)) is no file")
            }
            total += Int(status.st_size)
        }
        guard total <= limit else {
            throw NonRetryable(
                "the attachments are \(total) bytes; maximumAttachmentSize allows \(limit): give a link to them instead"
            )
        }
    }

    /// Fills a buffer; 0: the end, nil: it cannot be read on.
    func fill(_ buffer: UnsafeMutableRawBufferPointer) -> Int? {
        while bytes.isEmpty {
            guard failure == nil else { return nil }
            if file >= 0 {
                readOn()
            } else if let piece = pieces.popFirst() {
                begin(piece)
            } else {
                return 0
            }
        }
        let count = min(buffer.count, bytes.count)
        buffer.copyBytes(from: bytes.prefix(count))
        bytes = bytes.dropFirst(count)
        sent += count
        return count
    }

    private func begin(_ piece: MailMessage.Piece) {
        switch piece {
        case .bytes(let text): bytes = text[...]
        case .file(let path):
            self.path = path
            file = open(path, O_RDONLY | O_CLOEXEC)
            if file < 0 { fail(String(cString: strerror(errno))) }
        }
    }

    private func readOn() {
        var block = [UInt8](repeating: 0, count: Self.block)
        var count = 0
        while count < block.count {
            let got = block.withUnsafeMutableBytes { read(file, $0.baseAddress! + count, $0.count - count) }
            if got < 0 { return fail(String(cString: strerror(errno))) }
            if got == 0 { break }
            count += got
        }
        budget -= count
        guard budget >= 0 else { return fail("it has grown; with it the attachments are more than \(limit) bytes") }
        if count < block.count {
            close(file)
            file = -1
        }
        var lines: [UInt8] = []
        lines.reserveCapacity(count / 57 * 78 + 80)
        var start = 0
        while start < count {
            lines += MailEncoding.base64(block[start..<min(start + 57, count)])
            lines += [0x0D, 0x0A]
            start += 57
        }
        bytes = lines[...]
    }

    private func fail(_ words: String) {
        failure = NonRetryable("the attachment \(path.shown(300)) cannot be read: \(words)")
    }
}
