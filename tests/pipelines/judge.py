#!/usr/bin/python3
"""A small OpenAI-compatible server for tests: judge.py PORT_FILE LOG. Its answer is how many letters `a` the prompt has, in a sentence; 500 for
a prompt with "fail", no number for one with "dumb". LOG gets each request's body, a line each. It ends when its stdin does."""
import http.server, json, sys, threading


class Judge(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(sys.argv[2], "a") as log:
            print(json.dumps({"path": self.path, **body}), file=log)
        content = body["messages"][0]["content"]
        text = content if isinstance(content, str) else content[0]["text"]
        if "fail" in text:
            self.send_error(500, "out of order")
            return
        said = "I do not know." if "dumb" in text else f"That is {text.count('a')}.5 of ten."
        answer = json.dumps({"choices": [{"message": {"role": "assistant", "content": said}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Judge)
threading.Thread(target=server.serve_forever, daemon=True).start()
with open(sys.argv[1], "w") as f:
    print(server.server_address[1], file=f)
sys.stdin.read()
