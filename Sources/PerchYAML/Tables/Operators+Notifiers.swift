// SPDX-License-Identifier: Apache-2.0

internal import PerchOperators
internal import PerchSDK

extension Operators {
    static let email = OperatorEntry(
        name: "email", summary: "sends a mail", others: ["mail", "smtp"],
        shape: ObjectShape(
            name: "a mail",
            fields: [
                Field(
                    "to", .oneOrMore(.template), "who gets it: ann@example.org, or Ann <ann@example.org>",
                    required: true),
                Field("cc", .oneOrMore(.template), "who gets it, too"),
                Field("bcc", .oneOrMore(.template), "who gets it without the others' knowing"),
                Field("subject", .template, "one line", required: true),
                Field("text", .template, "the text", others: ["body", "message"]),
                Field("html", .template, "the text in HTML", others: ["html_content"]),
                Field("attachments", .oneOrMore(.object(attachment)), "files that go with it", others: ["files"]),
                Field("from", .template, "who sends it; what the connection says", others: ["sender", "from_email"]),
                Field(
                    "connection", .template, "the id of a connection: smtp or smtps; smtp_default", others: ["conn_id"]),
                Field("maximum_attachment_size", .integer(0...Int64(1 << 40)), "how large all files may be; 20 MiB"),
                Field("timeout", .span(.positive), "how long all of it may take; 2m"),
            ],
            rules: [.atLeastOne(["text", "html"])])
    ) { value in
        var mail = EmailOperator(
            to: list(value["to"]), cc: list(value["cc"]), bcc: list(value["bcc"]),
            subject: value["subject"]?.text ?? "",
            text: value["text"]?.text, html: value["html"]?.text,
            attachments: (value["attachments"]?.elements ?? []).map { file in
                EmailAttachment(file["path"]?.text ?? "", name: file["name"]?.text, type: file["type"]?.text)
            }, from: value["from"]?.text, timeout: value["timeout"]?.duration)
        if let id = value["connection"]?.text { mail.connection = id }
        if let size = value["maximum_attachment_size"]?.integer { mail.maximumAttachmentSize = size }
        return mail
    }

    private static let attachment = ObjectShape(
        name: "a file",
        fields: [
            Field("path", .template, "the file", required: true),
            Field("name", .template, "what the receiver sees; the last part of the path"),
            Field("type", .text, "the media type; by the end of the name"),
        ],
        short: "path")

    static let webhook = OperatorEntry(
        name: "webhook", summary: "tells a server what has happened, as JSON", others: ["slack", "notify"],
        shape: ObjectShape(
            name: "a webhook",
            fields: [
                Field("url", .template, "http or https; with a connection, what follows its address"),
                Field("connection", .template, "the id of a connection: http or https", others: ["conn_id"]),
                Field("text", .template, "what is said, as Slack and others read it", others: ["message"]),
                Field("body", .any, "what is sent instead, as JSON", others: ["payload", "json"]),
                Field("headers", .dictionary(.template), "headers"),
                Field("secret", .template, "the id of a connection whose password signs the body"),
                Field("timeout", .span(.positive), "how long the request may take; 30s"),
            ],
            short: "url",
            rules: [.atLeastOne(["url", "connection"]), .atMostOne(["text", "body"])])
    ) { value in
        var hook = WebhookOperator(
            value["url"]?.text ?? "", connection: value["connection"]?.text, text: value["text"]?.text,
            body: value["body"]?.json, headers: texts(value["headers"]), secret: value["secret"]?.text)
        if let timeout = value["timeout"]?.duration { hook.timeout = timeout }
        return hook
    }

    private static func list(_ value: YAMLValue?) -> [String] { (value?.elements ?? []).compactMap(\.text) }
}
