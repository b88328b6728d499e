// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// An SMTP server on the loopback, in a process of its own: Python, whose `email` package reads what it is sent.
///
/// It refuses `nobody@…` for good and `later@…` for now.
public final class MailServerProcess {
    /// What kind of server it is.
    public struct Options {
        public var isTLS = false
        public var offersTLS = false
        /// `user:password`; nil: nobody has to log in.
        public var login: String?
        /// It takes connections, and says nothing.
        public var isSilent = false

        public init(isTLS: Bool = false, offersTLS: Bool = false, login: String? = nil, isSilent: Bool = false) {
            self.isTLS = isTLS
            self.offersTLS = offersTLS
            self.login = login
            self.isSilent = isSilent
        }
    }

    public let port: Int
    /// The file of its certificate, for `localhost` and `127.0.0.1`.
    public let certificate: String
    private let folder: String
    private let process = Process()

    /// Starts it.
    public init(_ options: Options = Options()) throws {
        folder = NSTemporaryDirectory() + "perch-mail-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        certificate = folder + "/cert.pem"
        if options.isTLS || options.offersTLS {
            let maker = Process()
            maker.executableURL = URL(filePath: "/usr/bin/openssl")
            maker.arguments = [
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder + "/key.pem", "-out", certificate,
            ]
            (maker.standardOutput, maker.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
            try maker.run()
            maker.waitUntilExit()
        }
        var flags: [String] = []
        if options.isTLS { flags.append("tls") }
        if options.offersTLS { flags.append("starttls") }
        if options.isSilent { flags.append("silent") }
        let output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = ["-c", Self.program, folder, flags.joined(separator: ","), options.login ?? ""]
        process.standardOutput = output
        process.standardError = FileHandle.standardError
        try process.run()
        var text = ""
        while !text.hasSuffix("\n") {
            let data = output.fileHandleForReading.availableData
            guard !data.isEmpty else { throw RunningEngineError(description: "the mail server does not start") }
            text += String(decoding: data, as: UTF8.self)
        }
        guard let port = Int(text.trimmingCharacters(in: .newlines)) else {
            throw RunningEngineError(description: "the mail server says \(text)")
        }
        self.port = port
    }

    deinit {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try? FileManager.default.removeItem(atPath: folder)  // because what is left in /tmp fails no test
    }

    /// What it has taken, in order, each as a JSON object.
    public func mails() throws -> [String] {
        guard FileManager.default.fileExists(atPath: folder + "/mails") else { return [] }
        return try String(contentsOfFile: folder + "/mails", encoding: .utf8).split(separator: "\n").map(String.init)
    }

    private static let program = """
        import base64, email, email.policy, email.utils, json, socket, ssl, sys, threading
        folder, flags, login = sys.argv[1], sys.argv[2].split(","), sys.argv[3]
        context = None
        if "tls" in flags or "starttls" in flags:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
        lock = threading.Lock()

        def describe(data):
            mail = email.message_from_bytes(data, policy=email.policy.default)
            parts = []
            for part in mail.walk():
                if part.is_multipart():
                    continue
                content = part.get_payload(decode=True)
                parts.append({"type": part.get_content_type(), "name": part.get_filename(),
                    "disposition": part.get_content_disposition(), "text": content.decode("utf-8", "replace"),
                    "charset": part.get_content_charset()})
            def people(name):
                return [[a.display_name, a.addr_spec] for a in mail[name].addresses] if mail[name] else []
            return {"subject": mail["subject"], "from": people("from"), "to": people("to"), "cc": people("cc"),
                "bcc": mail["bcc"], "id": mail["message-id"], "date": str(email.utils.parsedate_to_datetime(mail["date"])),
                "top": mail.get_content_type(), "parts": parts, "raw": data.decode("latin-1"),
                "longest": max(len(line) for line in data.split(b"\\r\\n")),
                "defects": [str(d) for part in mail.walk() for d in part.defects] + [str(d) for d in mail.defects]}

        def serve(connection):
            state = {"tls": "tls" in flags, "user": None, "from": None, "to": []}
            if "silent" in flags:
                connection.recv(1)
                return
            if state["tls"]:
                connection = context.wrap_socket(connection, server_side=True)
            file = connection.makefile("rb")
            def say(text):
                connection.sendall(text.encode() + b"\\r\\n")
            say("220 mail.test ready")
            while True:
                line = file.readline()
                if not line:
                    return
                text = line.decode("latin-1").strip()
                verb = text.split(" ")[0].upper()
                if verb in ("EHLO", "HELO"):
                    offers = ["mail.test", "8BITMIME"]
                    if login and (state["tls"] or "starttls" not in flags):
                        offers.append("AUTH PLAIN LOGIN")
                    if "starttls" in flags and not state["tls"]:
                        offers.append("STARTTLS")
                    for offer in offers[:-1]:
                        say("250-" + offer)
                    say("250 " + offers[-1])
                elif verb == "STARTTLS":
                    say("220 go ahead")
                    connection = context.wrap_socket(connection, server_side=True)
                    file = connection.makefile("rb")
                    state["tls"] = True
                elif verb == "AUTH":
                    words = text.split(" ")
                    if words[1].upper() == "PLAIN":
                        if len(words) < 3:
                            say("334 ")
                            words.append(file.readline().decode().strip())
                        _, user, password = base64.b64decode(words[2]).decode().split("\\0")
                    else:
                        say("334 VXNlcm5hbWU6")
                        user = base64.b64decode(file.readline()).decode()
                        say("334 UGFzc3dvcmQ6")
                        password = base64.b64decode(file.readline()).decode()
                    if user + ":" + password == login:
                        state["user"] = user
                        say("235 welcome")
                    else:
                        say("535 5.7.8 wrong name or password")
                elif verb == "MAIL":
                    if login and not state["user"]:
                        say("530 5.7.0 log in first")
                    else:
                        state["from"] = text
                        say("250 ok")
                elif verb == "RCPT":
                    if "nobody@" in text:
                        say("550-5.1.1 no such person here")
                        say("550 5.1.1 ask somebody else")
                    elif "later@" in text:
                        say("451 4.3.0 come back later")
                    else:
                        state["to"].append(text[text.index("<") + 1:text.index(">")])
                        say("250 ok")
                elif verb == "DATA":
                    say("354 go on")
                    data = b""
                    while True:
                        line = file.readline()
                        if not line:
                            return
                        if line == b".\\r\\n":
                            break
                        data += line[1:] if line.startswith(b".") else line
                    mail = describe(data)
                    mail.update({"envelope": state["to"], "sender": state["from"], "tls": state["tls"], "user": state["user"]})
                    with lock, open(folder + "/mails", "a") as mails:
                        mails.write(json.dumps(mail) + "\\n")
                    state["to"] = []
                    say("250 taken")
                elif verb == "QUIT":
                    say("221 bye")
                    return
                else:
                    say("250 ok")

        def guarded(connection):
            try:
                serve(connection)
            except (OSError, ValueError):
                pass
            finally:
                connection.close()

        listener = socket.create_server(("127.0.0.1", 0))
        print(listener.getsockname()[1], flush=True)
        while True:
            threading.Thread(target=guarded, args=(listener.accept()[0],), daemon=True).start()
        """
}
