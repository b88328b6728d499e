// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// A file that goes with a mail: its path, or with a name and a type of its own.
public struct EmailAttachment: Hashable, Sendable, ExpressibleByStringLiteral {
    /// May hold templates.
    public var path: String
    /// What the receiver sees; nil: the last part of the path. May hold templates.
    public var name: String?
    /// The media type; nil: by the end of the name.
    public var type: String?

    /// A file with its name.
    public init(_ path: String, name: String? = nil, type: String? = nil) {
        self.path = path
        self.name = name
        self.type = type
    }

    /// A file by its path.
    public init(stringLiteral path: String) { self.init(path) }
}

/// What was sent.
public struct SentEmail: Codable, Hashable, Sendable {
    /// The Message-ID, without its brackets.
    public var messageID: String
    /// Everybody's address to whom it was sent.
    public var recipients: [String]
    /// How long it was.
    public var bytes: Int
}

/// Sends one mail through an SMTP server.
///
/// - The connection is of the type `smtp` (port 587; STARTTLS is required unless its extra says `starttls`: `if_offered` or
///   `never`) or `smtps` (port 465). Its extra may have `from`, `ca` (the path of a PEM file), `timeout`, and
///   `login_without_tls`: `allowed`. Certificates are verified.
/// - The server takes the mail for all recipients or for none. What it refuses with 5xx fails the task at once, with its answer;
///   after 4xx and faults of the network it is tried again as the task's retries say.
/// - A try sends once, also where its process dies later on. A retry of the task has the same Message-ID, so that a mail that came
///   twice is recognised as one.
/// - A subject, address or name with an end of line in it is refused.
public struct EmailOperator: Operator {
    /// What was sent.
    public typealias Output = SentEmail

    /// `ann@example.org` or `Ann <ann@example.org>`, several to a text with commas. May hold templates, as all of these.
    public var to: [String]
    public var cc: [String]
    /// Sent to them too, without the others' knowing.
    public var bcc: [String]
    public var subject: String
    /// The text; with `html` both are sent, and the reader's program shows the one that it can.
    public var text: String?
    public var html: String?
    public var attachments: [EmailAttachment]
    /// Who sends; nil: `from` of the connection, or its login where that is an address.
    public var from: String?
    /// The id of the connection.
    public var connection: String
    /// How large all attachments together may be, in bytes as they are on disk.
    public var maximumAttachmentSize: Int
    /// How long all of it may take; nil: the connection's, or two minutes.
    public var timeout: Duration?

    /// A mail with its bounds.
    public init(
        to: [String], cc: [String] = [], bcc: [String] = [], subject: String, text: String? = nil, html: String? = nil,
        attachments: [EmailAttachment] = [], from: String? = nil, connection: String = "smtp_default",
        maximumAttachmentSize: Int = 20 << 20, timeout: Duration? = nil
    ) {
        self.to = to
        self.cc = cc
        self.bcc = bcc
        self.subject = subject
        self.text = text
        self.html = html
        self.attachments = attachments
        self.from = from
        self.connection = connection
        self.maximumAttachmentSize = maximumAttachmentSize
        self.timeout = timeout
    }

    /// Everything that may hold templates.
    public var templates: [String] { templateFields.map(\.text) }

    /// The same by its names.
    public var templateFields: [TemplateField] {
        var fields: [TemplateField] = []
        for (name, addresses) in [("to", to), ("cc", cc), ("bcc", bcc)] {
            fields.add(name, .array(addresses.map { .string($0) }))
        }
        fields.append(TemplateField("subject", subject))
        for (name, value) in [("text", text), ("html", html), ("from", from), ("connection", connection)] {
            if let value { fields.append(TemplateField(name, value)) }
        }
        for (index, attachment) in attachments.enumerated() {
            fields.append(TemplateField("attachments[\(index)].path", attachment.path))
            if let name = attachment.name { fields.append(TemplateField("attachments[\(index)].name", name)) }
        }
        return fields
    }

    /// No recipients, nothing to say, or an address that is none.
    public var problems: [String] {
        var found: [String] = []
        if (to + cc + bcc).allSatisfy({ $0.allSatisfy(\.isWhitespace) }) { found.append("the mail has no recipients") }
        if text == nil, html == nil { found.append("the mail has neither 'text' nor 'html'") }
        for (field, addresses) in [("to", to), ("cc", cc), ("bcc", bcc), ("from", [from].compactMap(\.self))] {
            for text in addresses where !text.contains("{{") {
                do throws(NonRetryable) {
                    _ = try MailAddress.list(parsing: text, field)
                } catch {
                    found.append(error.message)
                }
            }
        }
        if !Self.isOneLine(subject) { found.append("the subject has an end of line in it") }
        if connection.isEmpty { found.append("the connection's id is empty") }
        if maximumAttachmentSize < 0 { found.append("maximumAttachmentSize is negative") }
        if let timeout, timeout <= .zero { found.append("the timeout is not positive") }
        return found
    }

    static func isOneLine(_ text: String) -> Bool { !text.utf8.contains { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F } }

    /// Sends the mail.
    public func execute(_ context: TaskContext) async throws -> SentEmail {
        let connectionID = try await context.render(connection)
        let server = try MailServer(try await context.connection(connectionID), id: connectionID)
        let message = try await message(context, server, connectionID)
        let exchange = MailExchange(
            server: server, message: message, attachmentLimit: maximumAttachmentSize,
            timeout: timeout ?? server.timeout ?? .seconds(120))
        let bytes = try await context.step("send") {
            try await OperatorThread.run("a mail") { try exchange.perform($0) }
        }
        let recipients = message.recipients.map(\.address)
        context.log.info(
            "\(server.address) took the mail for \(recipients.count) recipients: \(bytes) bytes, Message-ID \(message.id)"
        )
        return SentEmail(messageID: message.id, recipients: recipients, bytes: bytes)
    }

    private func message(
        _ context: TaskContext, _ server: MailServer, _ connectionID: String
    ) async throws -> MailMessage {
        let subject = try await context.render(subject)
        guard Self.isOneLine(subject) else {
            throw NonRetryable("the subject has an end of line or a control character in it: '\(subject.shown(120))'")
        }
        let sender = try await self.sender(context, server, connectionID)
        // A retry is the same mail.
        let key = try await context.step("message-id", keep: .acrossRetries) { context.idempotencyKey }
        var message = MailMessage(
            from: sender, to: try await addresses(to, "to", context), subject: subject,
            id: "\(key)@\(sender.address.drop { $0 != "@" }.dropFirst())", date: try await context.now)
        message.cc = try await addresses(cc, "cc", context)
        message.bcc = try await addresses(bcc, "bcc", context)
        guard !message.recipients.isEmpty else { throw NonRetryable("the mail has no recipients") }
        if let text { message.text = try await context.render(text) }
        if let html { message.html = try await context.render(html) }
        for attachment in attachments {
            let path = try await context.render(attachment.path)
            var name = path.split(separator: "/").last.map(String.init) ?? ""
            if let given = attachment.name { name = try await context.render(given) }
            let type = attachment.type ?? MailTypes.type(of: name)
            guard !name.isEmpty, Self.isOneLine(name), !path.utf8.contains(0), MailTypes.isType(type) else {
                throw NonRetryable(
                    "the attachment '\(name.shown(80))' (\(type.shown(40))) needs a path, a name of one line and a media type"
                )
            }
            message.attachments.append(MailMessage.Attachment(path: path, name: name, type: type))
        }
        return message
    }

    private func sender(
        _ context: TaskContext, _ server: MailServer, _ connectionID: String
    ) async throws -> MailAddress {
        var given = server.from ?? server.login ?? ""
        if let from { given = try await context.render(from) }
        guard from != nil || given.contains("@") else {
            throw NonRetryable(
                "the mail has no sender; give 'from', or write it into the extra of the connection '\(connectionID.shown(80))'"
            )
        }
        let senders = try MailAddress.list(parsing: given, "from")
        guard let sender = senders.first, senders.count == 1 else { throw NonRetryable("a mail has one sender") }
        return sender
    }

    private func addresses(
        _ texts: [String], _ field: String, _ context: TaskContext
    ) async throws -> [MailAddress] {
        var found: [MailAddress] = []
        for text in texts {
            let rendered = try await context.render(text)
            found += try MailAddress.list(parsing: rendered, field)
        }
        return found
    }
}

extension Operator where Self == EmailOperator {
    /// A task, or a notifier, that sends one mail; see `EmailOperator`.
    public static func email(
        to: String..., cc: [String] = [], bcc: [String] = [], subject: String, text: String? = nil, html: String? = nil,
        attachments: [EmailAttachment] = [], from: String? = nil, connection: String = "smtp_default"
    ) -> EmailOperator {
        EmailOperator(
            to: to, cc: cc, bcc: bcc, subject: subject, text: text, html: html, attachments: attachments, from: from,
            connection: connection)
    }
}
