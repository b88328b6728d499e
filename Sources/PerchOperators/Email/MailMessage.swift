// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// A mail as RFC 5322 and MIME want it: its head and texts in memory, its attachments as files to be read when they are sent.
struct MailMessage: Sendable {
    var from: MailAddress
    var to: [MailAddress]
    var cc: [MailAddress] = []
    /// Sent to them, and not named in it.
    var bcc: [MailAddress] = []
    var subject: String
    var text: String?
    var html: String?
    var attachments: [Attachment] = []
    /// Without the angle brackets.
    var id: String
    /// When it was written.
    var date: Timestamp

    struct Attachment: Sendable {
        var path: String
        var name: String
        var type: String
    }

    /// A part of what is sent.
    enum Piece: Sendable {
        case bytes([UInt8])
        /// A file, as lines of base64.
        case file(path: String)
    }

    var recipients: [MailAddress] {
        var seen: Set<String> = []
        return (to + cc + bcc).filter { seen.insert($0.address).inserted }
    }

    /// The whole mail, in order.
    var pieces: [Piece] {
        var pieces: [Piece] = []
        func add(_ text: String) { pieces.append(.bytes(Array(text.utf8))) }
        add(head)
        guard !attachments.isEmpty else { return pieces + bodyPieces }
        let boundary = boundary("m")
        add("Content-Type: multipart/mixed;\r\n boundary=\"\(boundary)\"\r\n\r\n--\(boundary)\r\n")
        pieces += bodyPieces
        for attachment in attachments {
            add(
                "\r\n--\(boundary)\r\nContent-Type: \(attachment.type);\r\n "
                    + "\(MailEncoding.parameter("name", attachment.name))\r\nContent-Transfer-Encoding: base64\r\n"
                    + "Content-Disposition: attachment;\r\n \(MailEncoding.parameter("filename", attachment.name))\r\n\r\n"
            )
            pieces.append(.file(path: attachment.path))
        }
        add("\r\n--\(boundary)--\r\n")
        return pieces
    }

    private var head: String {
        var head = MailEncoding.header("Date", [MailEncoding.date(date.microseconds, date.description)])
        head += MailEncoding.header("From", from.words)
        for (name, addresses) in [("To", to), ("Cc", cc)] where !addresses.isEmpty {
            let last = addresses.count - 1
            let words = addresses.enumerated().flatMap { index, address in
                var words = address.words
                if index < last { words[words.count - 1] += "," }
                return words
            }
            head += MailEncoding.header(name, words)
        }
        if to.isEmpty, cc.isEmpty { head += "To: undisclosed-recipients:;\r\n" }
        head += MailEncoding.header("Subject", text: subject)
        head += "Message-ID: <\(id)>\r\nMIME-Version: 1.0\r\n"
        // Nobody's holiday note is wanted back.
        return head + "Auto-Submitted: auto-generated\r\n"
    }

    private var bodyPieces: [Piece] {
        guard let text, let html else {
            return html.map { [part("html", $0)] } ?? [part("plain", text ?? "")]
        }
        let boundary = boundary("a")
        func line(_ text: String) -> Piece { .bytes(Array(text.utf8)) }
        return [
            line("Content-Type: multipart/alternative;\r\n boundary=\"\(boundary)\"\r\n\r\n--\(boundary)\r\n"),
            part("plain", text), line("\r\n--\(boundary)\r\n"), part("html", html),
            line("\r\n--\(boundary)--\r\n"),
        ]
    }

    private func part(_ kind: String, _ text: String) -> Piece {
        let head = "Content-Type: text/\(kind); charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        return .bytes(Array(head.utf8) + MailEncoding.quotedPrintable(text))
    }

    /// In neither encoding do these characters stand together.
    private func boundary(_ kind: String) -> String { "=_perch_\(kind)_\(id.prefix { $0 != "@" }.suffix(32))" }
}
